"""`topfive train`."""

from pathlib import Path
from typing import Any

import click
from PIL import Image

from topfive.cli.parameters import limit_network_waits
from topfive.cli.progress import show_phases
from topfive.cli.training_command import (
    chosen_recipe,
    how_to_train,
    read_photos,
    require_libraries,
    stoppable,
)
from topfive.cli.training_results import show_result
from topfive.datasets.dataset import Dataset
from topfive.datasets.photos import read_photo
from topfive.errors import Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.settings import read_settings
from topfive.training.finetuning.naming import check_model_name, check_new_version, choose_version
from topfive.training.finetuning.progress import Reporter
from topfive.training.finetuning.recipe import TrainingRecipe


@click.command(short_help="Train a model of your own on labelled photos.")
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--base", required=True, metavar="ARCHITECTURE|BUNDLE",
              help="What to begin with: an architecture such as mobilenet_v2, with its official "
              "weights, or a bundle as NAME, NAME@VERSION or its folder.")  # fmt: skip
@click.option("--name", required=True, help="What the model is called.")
@click.option("--version", default="", help="Its version. [default: 1.0.0; the next minor version "
              "where there are some]")  # fmt: skip
@click.option("--weights", default="", metavar="FILE|URL",
              help="Weights of your own for the architecture: .pth or .safetensors.")  # fmt: skip
@click.option("--sample", "samples", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="A picture that the bundle keeps, to try it with; several times.")  # fmt: skip
@how_to_train
def train(photos: Path, *, as_json: bool, **given: Any) -> None:
    """Train a model of your own on labelled photos, and write it as a bundle.

    PHOTOS is a folder with a folder of photos for each class, or a CSV with the columns `file` and
    `class`. Some photos of each class are kept to choose the best epoch by, others to measure on;
    the bundle says by digests which was for what.

    First the last layer learns, of what the network says of each photo; then all layers learn.
    Confidences are calibrated. A training that was stopped goes on where it was when the same
    command is given again. Prints the bundle's folder; how well it does goes to standard error.

    \b
    Examples:
      topfive train photos/ --base mobilenet_v2 --name flowers
      topfive train photos/ --base resnet50 --weights resnet50.pth --name flowers --device cuda
      topfive train labels.csv --base flowers@1.0.0 --name garden --epochs 5
      topfive train photos/ --base mobilenet_v2 --name flowers --recipe recipe.toml --json
    """
    recipe = chosen_recipe(given)
    models_dir = given["models_dir"] or read_settings().models_dir
    name = check_model_name(given["name"], models_dir)
    check_new_version(models_dir, name, given["version"])
    samples = _read_samples(given["samples"])
    require_libraries("topfive train")
    with stoppable(name), show_phases() as progress:
        dataset = read_photos(photos, progress)
        folder = _train(dataset, recipe, models_dir, samples, given, progress)
    show_result(folder, as_json=as_json)


def _train(
    dataset: Dataset,
    recipe: TrainingRecipe,
    models_dir: Path,
    samples: dict[str, Image.Image],
    given: dict[str, Any],
    progress: Reporter,
) -> Path:
    # torch takes seconds to import: what it is not needed for is said before.
    from topfive.training.finetuning.bases import open_base  # noqa: PLC0415
    from topfive.training.finetuning.plan import TrainingPlan, split_photos  # noqa: PLC0415
    from topfive.training.finetuning.training import train as train_bundle  # noqa: PLC0415

    limit_network_waits()
    base = open_base(given["base"], models_dir, recipe, given["weights"])
    plan = TrainingPlan(
        dataset=dataset,
        split=split_photos(dataset, recipe, base),
        base=base,
        name=given["name"],
        version=choose_version(models_dir, given["name"], given["version"]),
        models_dir=models_dir,
        recipe=recipe,
        device=given["device"],
        workers=given["workers"],
        samples=samples,
        restarts=given["restart"],
    )
    return train_bundle(plan, progress)


def _read_samples(paths: tuple[Path, ...]) -> dict[str, Image.Image]:
    """Read pictures by the names that they get in a bundle."""
    return {_sample_name(path): _read_sample(path) for path in paths}


def _sample_name(path: Path) -> str:
    name = path.stem.removeprefix("sample-").lower().replace(" ", "-")
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise click.BadParameter(
            f"{path.name!r}: call it after what is on it, in ASCII letters, digits and `-`.",
            param_hint="--sample",
        )
    return name


def _read_sample(path: Path) -> Image.Image:
    limits = ImageLimits()
    try:
        return decode(sniff(read_photo(path, limits), limits), limits, 1024).pixels
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}.", param_hint="--sample") from error
    except Failure as failure:
        raise click.BadParameter(f"{path}: {failure.detail}", param_hint="--sample") from failure
