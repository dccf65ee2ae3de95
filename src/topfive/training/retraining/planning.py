"""What is trained on: which version, with which photos, and what it is compared with."""

from dataclasses import dataclass
from pathlib import Path

from topfive.bundles.manifest import WEIGHTS_FILE
from topfive.bundles.official import OFFICIAL_NAMES
from topfive.bundles.store import Bundle, find_bundle, open_bundle
from topfive.bundles.versions import split_reference
from topfive.datasets.dataset import Dataset
from topfive.datasets.split import Shares, Split, split_dataset
from topfive.errors import SettingsError, WeightsRefused
from topfive.evaluation.photos import read_split
from topfive.registry.loader import open_named
from topfive.training.finetuning.naming import choose_version
from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe
from topfive.training.promotion import is_mostly_here
from topfive.training.retraining.comparing import (
    ComparablePhotos,
    choose_comparable,
    count_needed,
)


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that goes on from `parent`; its result is compared with `baseline`."""

    parent: Bundle
    baseline: Bundle
    dataset: Dataset
    split: Split
    comparable: ComparablePhotos
    recipe: TrainingRecipe
    version: str
    models_dir: Path

    @property
    def name(self) -> str:
        """The model's name: the parent's."""
        return self.parent.manifest.name

    @property
    def new_classes(self) -> tuple[str, ...]:
        """The classes that the parent does not have."""
        return self.dataset.classes[len(self.parent.labels) :]


def open_parent(reference: str, models_dir: Path) -> Bundle:
    """Open the bundle to train on; raises a Mistake, also if it is an official model."""
    _refuse_official(split_reference(reference)[0], reference)
    bundle = open_named(reference, models_dir)
    _refuse_official(bundle.manifest.name, reference)
    if not (bundle.folder / WEIGHTS_FILE).is_file():
        raise WeightsRefused(
            f"--from {reference}: {bundle.folder} has no {WEIGHTS_FILE}, which a training goes on "
            "from. A model that was imported has none: train it on where it came from."
        )
    return bundle


def choose_baseline(parent: Bundle, models_dir: Path, against: str = "") -> Bundle:
    """Open the version to compare with: the one that is named, else the latest of the name.

    That is the one that serves where nothing else was ordered. Raises a Mistake.
    """
    if against:
        return open_named(against, models_dir)
    folder = find_bundle(models_dir, parent.manifest.name)
    return parent if folder is None else open_bundle(folder)


def inherited_recipe(parent: Bundle) -> TrainingRecipe:
    """Give the recipe that the parent was trained by, for a network that has learned already."""
    training = parent.manifest.training
    if training is None:
        return TrainingRecipe()
    changes: dict[str, object] = {"pretrained": True, "architecture_options": {}}
    return parse_recipe({**training.recipe, **changes}, f"What {parent.folder} was trained by")


def plan_retraining(
    parent: Bundle,
    baseline: Bundle,
    dataset: Dataset,
    recipe: TrainingRecipe,
    models_dir: Path,
    version: str = "",
) -> Retraining:
    """Split the photos as the parent did, and choose those to compare on.

    Raises DatasetRefused if a class has too few photos or none can be compared on, SettingsError
    if the version is there already or the recipe begins with an untrained network.
    """
    if not recipe.pretrained or recipe.architecture_options:
        raise SettingsError(
            "The recipe begins with an untrained network, and this training goes on from one that "
            "has learned. Leave pretrained and architecture_options out, or use `topfive train`."
        )
    manifest = parent.manifest
    shares = Shares(recipe.validation_share, recipe.held_out_share)
    split = split_dataset(dataset, shares, recipe.seed, read_split(parent))
    return Retraining(
        parent=parent,
        baseline=baseline,
        dataset=dataset,
        split=split,
        comparable=choose_comparable(split.held_out, dataset.classes, baseline),
        recipe=recipe,
        version=choose_version(models_dir, manifest.name, version, manifest.version),
        models_dir=models_dir,
    )


def list_warnings(retraining: Retraining) -> list[str]:
    """Say what will stand in the way of promoting what comes of it."""
    comparable, manifest = retraining.comparable, retraining.baseline.manifest
    count, needed = len(comparable.photos), count_needed()
    warnings = []
    if not is_mostly_here(comparable.former, comparable.former_here):
        warnings.append(
            f"Only {comparable.former_here} of the {comparable.former} photos that "
            f"{manifest.reference} was measured on are among these. So nothing will show whether "
            "what it knows is kept, and `topfive promote` will refuse. Give the former photos too."
        )
    if count < needed:
        warnings.append(
            f"There are {count} photos to compare on. Even if the new version alone got all of "
            f"them right, that could be chance: at least {needed} are needed. Give more photos."
        )
    return warnings


def _refuse_official(name: str, reference: str) -> None:
    if name in OFFICIAL_NAMES:
        raise SettingsError(
            f"--from {reference}: {name} is not a model of your own, and no other version gets its "
            f"name. Begin a model of your own: topfive train PHOTOS --base {reference} --name NAME."
        )
