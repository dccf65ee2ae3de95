"""What a training begins with: official weights, weights of one's own, a bundle, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file

from topfive.bundles.manifest import WEIGHTS_FILE
from topfive.bundles.official import OfficialWeights, official_weights
from topfive.bundles.source import given_source, hash_weights, is_url
from topfive.bundles.store import Bundle, open_bundle
from topfive.bundles.versions import split_reference
from topfive.datasets.dataset import Part
from topfive.engines.architectures import (
    ARCHITECTURES,
    KNOWN_ARCHITECTURES,
    architecture_options,
)
from topfive.errors import SettingsError, WeightsRefused
from topfive.evaluation.photos import read_split
from topfive.input_recipe import InputRecipe
from topfive.registry.desired import named_model, resolve
from topfive.registry.loader import locate_bundle, open_named
from topfive.training.checkpoints import StateDict, fit_architecture
from topfive.training.finetuning.recipe import TrainingRecipe
from topfive.training.weights import fetch_weights, load_state_dict


@dataclass(frozen=True, slots=True)
class Base:
    """A network to begin with; `state_dict` is empty where it is an untrained one.

    `labels` name the rows of its last layer where a bundle says so, which divided them by
    `temperature`. `parent` is that bundle, `name@version`, and `former` says by a photo's sha256
    what it was for there. `sha256` is that of the weights, in hex.
    """

    title: str
    architecture: str
    options: Mapping[str, float]
    input: InputRecipe
    state_dict: StateDict = field(default_factory=dict)
    sha256: str = ""
    labels: tuple[str, ...] = ()
    temperature: float = 1.0
    parent: str = ""
    former: Mapping[str, Part] = field(default_factory=dict)


def open_base(reference: str, models_dir: Path, recipe: TrainingRecipe, weights: str = "") -> Base:
    """Read what `reference` means: an architecture, or a bundle by name, version or folder.

    An architecture has the official weights, or those that `weights` names by path or address, or
    none if the recipe begins with an untrained network. Raises a Mistake if there is no such base
    or its weights cannot be used, WeightsUnreachable if they cannot be fetched now.
    """
    name, version = split_reference(reference)
    if name not in ARCHITECTURES:
        _refuse_for_bundles(reference, recipe, weights)
        base = base_of_bundle(open_named(reference, models_dir))
        return _of_its_side(base, recipe)
    if not recipe.pretrained:
        _refuse_weights(weights, version)
        official = official_weights(name)
        side = recipe.input.change(official.input).crop
        options = architecture_options(name, side) | recipe.architecture_options
        return Base(f"{name}, untrained", name, options, official.input)
    if recipe.architecture_options:
        raise SettingsError(
            "architecture_options change the network, and pretrained weights do not fit it then. "
            "Set pretrained = false in the recipe, or leave them out."
        )
    base = _own(name, weights) if weights else _official(reference, models_dir)
    return _of_its_side(base, recipe)


def base_of_bundle(bundle: Bundle) -> Base:
    """Begin with a bundle; raises WeightsRefused if it has no weights that torch can read."""
    manifest = bundle.manifest
    file = bundle.folder / WEIGHTS_FILE
    if manifest.architecture not in ARCHITECTURES:
        raise WeightsRefused(
            f"The bundle {bundle.folder} is an imported model ({manifest.architecture}), which can "
            f"be served and not trained. Name one of {KNOWN_ARCHITECTURES}."
        )
    if not file.is_file():
        raise WeightsRefused(
            f"The bundle {bundle.folder} has no {WEIGHTS_FILE}, and training needs it. Take the "
            "bundle as it was made."
        )
    calibration = manifest.calibration
    return Base(
        title=manifest.reference,
        architecture=manifest.architecture,
        options=manifest.architecture_options,
        input=manifest.input,
        state_dict=_as_floats(load_file(file)),
        sha256=manifest.files[WEIGHTS_FILE],
        labels=bundle.labels,
        temperature=calibration.temperature if calibration else 1.0,
        parent=manifest.reference,
        former=read_split(bundle),
    )


def _of_its_side(base: Base, recipe: TrainingRecipe) -> Base:
    """Give a base back whose weights are for pictures of the size that the recipe says.

    Most are for any; a ViT's are for one. Raises SettingsError.
    """
    side = recipe.input.change(base.input).crop
    if not architecture_options(base.architecture, side).items() <= base.options.items():
        raise SettingsError(
            f"The weights of {base.title} are for pictures of {base.input.crop} pixels, and the "
            f"recipe's crop is {side}. Leave it out."
        )
    return base


def _refuse_for_bundles(reference: str, recipe: TrainingRecipe, weights: str) -> None:
    if weights:
        raise SettingsError(
            f"--weights go with one of {KNOWN_ARCHITECTURES}, and --base {reference} is a bundle, "
            "which has weights of its own."
        )
    if not recipe.pretrained or recipe.architecture_options:
        raise SettingsError(
            f"--base {reference} is a bundle, and the recipe begins with an untrained network. "
            f"Name one of {KNOWN_ARCHITECTURES}."
        )


def _refuse_weights(weights: str, version: str | None) -> None:
    if weights or version:
        raise SettingsError(
            "The recipe begins with an untrained network (pretrained = false): leave out the "
            "weights, or the recipe's line."
        )


def _own(architecture: str, weights: str) -> Base:
    source = given_source(weights)
    with TemporaryDirectory(prefix="topfive-fetching-") as folder:
        file = fetch_weights(weights, Path(folder)) if is_url(weights) else Path(weights)
        sha256 = hash_weights(file)
        recipe = official_weights(architecture).input
        state_dict, _ = fit_architecture(load_state_dict(file), architecture, recipe.crop)
    return Base(
        f"{architecture}, {source}", architecture, architecture_options(architecture, recipe.crop),
        recipe, _as_floats(state_dict), sha256,
    )  # fmt: skip


def _official(reference: str, models_dir: Path) -> Base:
    """Take the official weights out of their bundle if it is here, else fetch them."""
    options = named_model(reference, models_dir)
    official = resolve(options).official or official_weights(options.model)
    folder = locate_bundle(options)
    if folder is not None and (folder / WEIGHTS_FILE).is_file():
        state_dict = load_file(open_bundle(folder).folder / WEIGHTS_FILE)
    else:
        state_dict = _fetch(official)
    return Base(
        f"{official.architecture} {official.version}", official.architecture,
        architecture_options(official.architecture, official.input.crop), official.input,
        _as_floats(state_dict), official.sha256_prefix,
    )  # fmt: skip


def _fetch(official: OfficialWeights) -> StateDict:
    with TemporaryDirectory(prefix="topfive-fetching-") as folder:
        file = fetch_weights(official.url, Path(folder), official.sha256_prefix)
        tensors = load_state_dict(file)
    return fit_architecture(tensors, official.architecture, official.input.crop)[0]


def _as_floats(state_dict: StateDict) -> StateDict:
    return {
        name: one.float() if one.is_floating_point() else one for name, one in state_dict.items()
    }
