"""Make a bundle of every classifier that torchvision has, and load it in each engine and precision.

python benchmarks/architectures.py [NAME ...] >table.md

The weights are random but seeded, the pictures of the size of torchvision's recipe: it shows that
the graph, the golden check and heatmaps work, and nothing of accuracy. Takes most of an hour, 13 GB
of memory and, for a moment, 6 GB of disk; each classifier has a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from report import describe_machine
from topfive.bundles.manifest import GRAPH_WEIGHTS_FILE
from topfive.bundles.official import official_weights
from topfive.bundles.store import Bundle, open_bundle
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.engines.architectures import ARCHITECTURES, architecture_options
from topfive.engines.torchvision_models import build_module, scoring_layer
from topfive.errors import EngineRefused
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.training.checkpoints import fit_architecture
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture

CLASSES = 1000
WAYS = tuple((engine, one) for engine in ("openvino", "torch") for one in ("f32", "bf16"))

State = dict[str, torch.Tensor]


def random_weights(architecture: str, side: int) -> State:
    """Draw seeded weights whose answers depend on the picture.

    Batch statistics stay as they begin: with those of noise, deep networks make any rounding large.
    """
    torch.manual_seed(0)
    module = build_module(architecture, architecture_options(architecture, side), CLASSES)
    # ViT begins with a last layer of zeros, which would agree with anything.
    torch.nn.init.normal_(scoring_layer(module)[1].weight)
    return dict(module.state_dict())


def write(architecture: str, root: Path) -> Bundle:
    """Make the bundle as `topfive pull` does."""
    recipe = official_weights(architecture).input
    tensors = random_weights(architecture, recipe.crop)
    state_dict, classes = fit_architecture(tensors, architecture, recipe.crop)
    plan = BundlePlan(
        name="random",
        version="1",
        architecture=architecture,
        architecture_options=architecture_options(architecture, recipe.crop),
        input=recipe,
        labels=tuple(f"class {number}" for number in range(classes)),
        source="random weights of benchmarks/architectures.py",
        golden=draw_golden_picture(recipe.crop),
    )
    return open_bundle(write_bundle(plan, state_dict, root))


def try_ways(bundle: Bundle) -> dict[str, str]:
    """Say for each engine and precision in what it computes, or why it does not serve."""
    flags = probe_machine().cpu_flags
    found = {}
    for engine, precision in WAYS:
        try:
            classifier = load_classifier(
                bundle, EngineOptions(engine, precision), ImageLimits(), flags
            )
        except EngineRefused as refusal:
            found[f"{engine} {precision}"] = str(refusal)
        else:
            found[f"{engine} {precision}"] = classifier.engine.precision
            classifier.close()
    return found


def measure(architecture: str) -> dict[str, Any]:
    """Make, load and describe one."""
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        bundle = write(architecture, Path(folder))
        made_s = time.perf_counter() - started
        found = try_ways(bundle)
        size_bytes = (bundle.folder / GRAPH_WEIGHTS_FILE).stat().st_size
        return {
            "made_s": made_s,
            "size_mb": size_bytes / 1e6,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "heatmap": bundle.manifest.heatmap is not None,
            "found": found,
        }


def measure_apart(architecture: str) -> dict[str, Any]:
    """Do the same in a process of its own; what it fails of is told."""
    command = [sys.executable, __file__, "--one", architecture]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def row(architecture: str, found: dict[str, Any]) -> str:
    """Make a row of the table."""
    if "error" in found:
        return f"| {architecture} | {found['error']} | | | | |"
    cells = (
        architecture,
        ", ".join(f"{way}: {one}" for way, one in found["found"].items()),
        "yes" if found["heatmap"] else "",
        f"{found['size_mb']:.0f}",
        f"{found['made_s']:.0f}",
        f"{found['peak_mb']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Make all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--one", action="store_true", help="in this process, told as JSON")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(*given.names)))
        return
    for fact in describe_machine().items():
        print(*fact, sep=": ")
    print("\n| architecture | computes and agrees in | heatmap | graph, MB | made, s | peak, MB |")
    print("|---|---|---|---|---|---|")
    for name in given.names:
        print(row(name, measure_apart(name)), flush=True)


if __name__ == "__main__":
    main()
