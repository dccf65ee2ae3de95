"""What the commands that train have in common: their options, recipe and photos."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from topfive.cli.extras import require_packages
from topfive.cli.parameters import models_dir_option
from topfive.datasets.dataset import Dataset
from topfive.datasets.joining import join_datasets
from topfive.datasets.reading import read_dataset
from topfive.errors import TrainingStopped
from topfive.telemetry.console import printable
from topfive.training.finetuning.progress import Reporter
from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe, read_recipe

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

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
        models_dir_option,
        click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON."),
    )):  # fmt: skip
        command = option(command)
    return command


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


def read_all(
    photos: tuple[Path, ...], classes: tuple[str, ...], reporter: Reporter, *, adds_classes: bool
) -> Dataset:
    """Read photos of several places, with the classes of a model and perhaps further ones."""
    datasets: list[Dataset] = []
    for path in photos:
        datasets.append(read_photos(path, reporter, classes, adds_classes=adds_classes))
        classes = datasets[-1].classes
    return join_datasets(datasets)


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
