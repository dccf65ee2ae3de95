"""What a person wants to see of a bundle: its name, classes and recipe, in short texts."""

from dataclasses import dataclass

from topfive.bundles.labels import repeated_labels
from topfive.bundles.store import Bundle
from topfive.input_recipe import InputRecipe

_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Description:
    """A bundle in short texts; `repeated_classes` is empty where every class has its own name."""

    name: str
    version: str
    architecture: str
    source: str
    classes: int
    first_classes: str
    repeated_classes: str
    recipe: str


def describe_bundle(bundle: Bundle) -> Description:
    """Say in short texts what a bundle holds."""
    manifest = bundle.manifest
    return Description(
        manifest.name,
        manifest.version,
        manifest.architecture,
        manifest.source,
        manifest.classes,
        _first(list(bundle.labels)),
        _first(repeated_labels(bundle.labels)),
        _recipe(manifest.input),
    )


def _first(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _recipe(recipe: InputRecipe) -> str:
    mean, std = (", ".join(f"{one:g}" for one in part) for part in (recipe.mean, recipe.std))
    return (
        f"shorter side to {recipe.resize} pixels ({recipe.interpolation}), crop {recipe.crop} x "
        f"{recipe.crop}, mean {mean}, std {std}"
    )
