"""`topfive pull`."""

import socket
from importlib.util import find_spec
from pathlib import Path

import click

from topfive.engines.architectures import require_known
from topfive.errors import WeightsRefused
from topfive.settings import read_settings

# Neither connecting nor any one read may stand still longer than this.
_NETWORK_TIMEOUT_S = 20


@click.command()
@click.argument("name")
@click.option("--weights", help="A local .pth or .safetensors file, or a URL of one. "
              "[default: TOPFIVE_WEIGHTS, else torchvision's official weights]")  # fmt: skip
@click.option("--labels", type=click.Path(path_type=Path),
              help="A text file with one class name a line. [default: TOPFIVE_LABELS]")  # fmt: skip
@click.option("--models-dir", type=click.Path(path_type=Path, file_okay=False),
              help="Where bundles are kept. [default: TOPFIVE_MODELS_DIR]")  # fmt: skip
def pull(name: str, weights: str | None, labels: Path | None, models_dir: Path | None) -> None:
    """Make the bundle of a model: NAME is mobilenet_v2 or resnet50.

    Prints the bundle's folder. A bundle that is there already is left as it is.

    \b
    Examples:
      topfive pull mobilenet_v2
      topfive pull resnet50 --weights resnet50.pth
      topfive pull mobilenet_v2 --weights birds.safetensors --labels birds.txt
    """
    # torch takes seconds to import: what it is not needed for is said at once.
    require_known(name)
    _require_torch()
    from topfive.training.pull import PullOptions, pull_bundle  # noqa: PLC0415 - imports torch

    settings = read_settings()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT_S)
    options = PullOptions(
        name=name,
        weights=settings.weights if weights is None else weights,
        labels_file=labels or settings.labels,
        root=models_dir or settings.models_dir,
    )
    click.echo(pull_bundle(options))


def _require_torch() -> None:
    if find_spec("torch") is None:
        raise WeightsRefused(
            "torch is not installed, and a bundle cannot be made without it. Install "
            "requirements-torch.txt, or copy a bundle made elsewhere into the models directory."
        )
