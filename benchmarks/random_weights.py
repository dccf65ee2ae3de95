"""Write weights that were never trained, in torchvision's layout: speed does not depend on them.

python benchmarks/random_weights.py resnet50 FILE.pth
"""

import argparse
from pathlib import Path

import torch

from topfive.engines.architectures import ARCHITECTURES
from topfive.engines.torchvision_models import import_torchvision

SEED = 1


def write_weights(architecture: str, path: Path) -> None:
    """Save the same random weights each time."""
    torchvision = import_torchvision()
    torch.manual_seed(SEED)
    module: torch.nn.Module = getattr(torchvision.models, architecture)()
    torch.save(module.state_dict(), path)


def main() -> None:
    """Write one file from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    write_weights(given.architecture, given.path)


if __name__ == "__main__":
    main()
