"""Makes the bundle that is shipped inside the package: the digits model, trained and measured."""

from pathlib import Path

import click
import torch
from PIL import Image

from topfive.bundles.store import demo_root
from topfive.errors import WeightsRefused
from topfive.training import digits
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.renewal import renew_bundle

LEAST_ACCURACY = 0.97

_VERSION = "1"
_GOLDEN_SAMPLE = "three.png"
# Sums in another order give other weights, so the number of threads is part of the recipe.
_THREADS = 1


def write_digits_bundle(trained: digits.TrainedDigits, root: Path) -> Path:
    """Write trained digits as a bundle with its sample pictures; returns its folder.

    Raises WeightsRefused if they are read less well than LEAST_ACCURACY.
    """
    if trained.accuracy < LEAST_ACCURACY:
        raise WeightsRefused(
            f"The held-out accuracy {trained.accuracy:.4f} is under {LEAST_ACCURACY}. Train longer."
        )
    recipe = digits.RECIPE
    side = (recipe.crop, recipe.crop)
    plan = BundlePlan(
        name="digits",
        version=_VERSION,
        architecture=digits.ARCHITECTURE,
        architecture_options=digits.ARCHITECTURE_OPTIONS,
        input=recipe,
        labels=digits.LABELS,
        source="scikit-learn load_digits, trained by topfive.training.demo",
        golden=trained.samples[_GOLDEN_SAMPLE].resize(side, Image.Resampling.BILINEAR),
        metrics={
            "held_out_accuracy": round(trained.accuracy, 4),
            "held_out_count": trained.held_out_count,
        },
        is_half=True,
        extra_files={f"sample-{name}": one for name, one in trained.samples.items()},
    )
    return write_bundle(plan, trained.state_dict, root)


@click.command()
@click.option("--seed", default=0, show_default=True, help="The seed of everything random.")
@click.option("--epochs", default=60, show_default=True, help="How often each digit is seen.")
@click.option("--root", type=click.Path(path_type=Path), help="[default: inside the package]")
@click.option("--renew", is_flag=True, help="Train nothing: make it again of its own weights.")
def main(seed: int, epochs: int, root: Path | None, renew: bool) -> None:
    """Train the digits model and write its bundle."""
    torch.set_num_threads(_THREADS)
    root = root or demo_root()
    if renew:
        click.echo(renew_bundle(root / "digits" / _VERSION))
    else:
        click.echo(write_digits_bundle(digits.train(seed, epochs), root))


if __name__ == "__main__":
    main()
