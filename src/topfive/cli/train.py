"""`topfive train`."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from PIL import Image

from topfive.bundles.store import read_manifest
from topfive.cli.extras import require_packages
from topfive.cli.training_results import describe_trained, show_trained
from topfive.datasets.dataset import Dataset
from topfive.datasets.photos import read_photo
from topfive.datasets.reading import read_dataset
from topfive.errors import Failure, TrainingStopped
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.settings import read_settings
from topfive.telemetry.console import printable
from topfive.training.finetuning.naming import check_model_name, check_new_version, choose_version
from topfive.training.finetuning.progress import Reporter, show_progress
from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe, read_recipe

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

# Neither connecting nor any one read may stand still longer than this.
_NETWORK_TIMEOUT_S = 20
_NEEDED = ("torch", "torchvision", "scipy")
_RECIPE_OPTIONS = ("epochs", "batch_size", "learning_rate", "seed", "threads")


def how_to_train(command: CommandT) -> CommandT:
    """Give a command the options that say how a training goes."""
    for option in reversed((
        click.option("--recipe", "recipe_file", metavar="FILE.toml",
                     type=click.Path(path_type=Path, dir_okay=False),
                     help="How to train, in place of the default."),
        click.option("--epochs", type=click.IntRange(0), help="How often each photo is shown at "
                     "most while all layers learn; 0: only the last layer learns."),
        click.option("--batch-size", type=click.IntRange(2), help="Photos of one step."),
        click.option("--learning-rate", type=float, help="How far a step goes."),
        click.option("--seed", type=click.IntRange(0), help="The seed of everything random."),
        click.option("--threads", type=click.IntRange(1),
                     help="Threads on a CPU. [default: as many as CPUs]"),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
                     show_default=True, help="Where to train; auto: CUDA where it is there."),
        click.option("--workers", type=click.IntRange(0), help="Processes that load photos. "
                     "[default: 0 on a CPU, up to 8 for CUDA]"),
        click.option("--restart", is_flag=True, help="Begin anew where it was stopped before."),
        click.option("--models-dir", type=click.Path(path_type=Path, file_okay=False),
                     help="Where bundles are kept. [default: TOPFIVE_MODELS_DIR]"),
        click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON."),
    )):  # fmt: skip
        command = option(command)
    return command


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
    with stoppable(name), show_progress() as progress:
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

    socket.setdefaulttimeout(_NETWORK_TIMEOUT_S)
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


def chosen_recipe(
    given: dict[str, Any], otherwise: Callable[[], TrainingRecipe] = TrainingRecipe
) -> TrainingRecipe:
    """Take the recipe of a file, if one is named, with what options change of it.

    Raises SettingsError if the file or a value cannot be used.
    """
    file = given["recipe_file"]
    recipe = read_recipe(file) if file else otherwise()
    changes = {name: given[name] for name in _RECIPE_OPTIONS if given[name] is not None}
    if not changes:
        return recipe
    return parse_recipe({**recipe.model_dump(), **changes}, "What is given as options")


def require_libraries(command: str) -> None:
    """Do nothing if what training needs is installed; raises Mistake otherwise."""
    require_packages(_NEEDED, command, "requirements-train.txt")


def read_photos(
    photos: Path,
    reporter: Reporter,
    classes: tuple[str, ...] | None = None,
    *,
    adds_classes: bool = False,
) -> Dataset:
    """Read labelled photos, and tell what a person should know of them."""

    def report(done: int, total: int) -> None:
        if done == 1:
            reporter.begin("Reading photos", total)
        reporter.advance()

    dataset = read_dataset(photos, classes, adds_classes=adds_classes, report=report)
    for note in dataset.notes:
        reporter.tell(f"Note: {printable(note)}")
    return dataset


@contextmanager
def stoppable(name: str) -> Iterator[None]:
    """Say how a training that a person stops goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise TrainingStopped(
            f"The training of {name} was stopped. Give the same command again, and it goes on "
            "from its last epoch; add --restart to begin anew."
        ) from None


def show_result(folder: Path, *, as_json: bool) -> None:
    """Print the folder or, as JSON, all that the manifest says of the training."""
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **describe_trained(manifest)}, indent=2))
        return
    show_trained(manifest)
    click.echo(folder)


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
