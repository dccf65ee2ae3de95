"""Which bundle is desired: from what an operator says to the one bundle that is meant."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from topfive.bundles.labels import hash_labels, read_labels, require_count
from topfive.bundles.manifest import LABELS_FILE, Manifest, check_name
from topfive.bundles.official import (
    IMAGENET_CLASSES,
    IMAGENET_LABELS_SHA256,
    OFFICIAL_NAMES,
    OFFICIAL_WEIGHTS,
    OfficialWeights,
    official_weights,
    recognise_official,
)
from topfive.bundles.recipe import RecipeOptions, change_recipe
from topfive.bundles.source import check_weights, derive_name, given_source, hash_weights, is_url
from topfive.bundles.store import read_manifest
from topfive.bundles.versions import INT8_SUFFIX, LATEST, split_reference
from topfive.engines.architectures import ARCHITECTURES, architecture_options
from topfive.errors import Mistake, SettingsError
from topfive.input_recipe import InputRecipe


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model to serve, from what it is made, what it is called, and where bundles lie.

    `model` is an architecture, a bundle's name or a bundle's directory. Empty `weights` are the
    official ones; without `labels_file` the names are ImageNet's. Without a `version` the official
    or the latest one is meant, and a model of one's own is called after its content. `store` is
    where finished bundles come from that are not in `models_dir`; empty: from nowhere.
    """

    model: str
    weights: str
    labels_file: Path | None
    models_dir: Path
    name: str = ""
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    version: str = ""
    store: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether `model` is the path of a bundle."""
        return "/" in self.model

    @property
    def is_plain(self) -> bool:
        """Whether nothing but a model is named: no weights, labels, recipe or name of one's own."""
        return not (self.weights or self.labels_file or self.name or self.recipe.given)

    @property
    def is_official(self) -> bool:
        """Whether an official model is asked for, with the weights that torchvision has of it."""
        return self.model in ARCHITECTURES and self.is_plain

    @property
    def may_be_stored(self) -> bool:
        """Whether a store may have the bundle: there is one, and nothing is to be made first."""
        return bool(self.store) and self.is_plain and not self.is_directory


def named_model(reference: str, models_dir: Path, store: str = "") -> ModelOptions:
    """Mean the model that `name`, `name@version` or a bundle's path says, and nothing else."""
    model, version = split_reference(reference)
    return ModelOptions(model, "", None, models_dir, version=version or "", store=store)


@dataclass(frozen=True, slots=True)
class DesiredBundle:
    """The one bundle that is meant; `official` where its weights are torchvision's.

    `version` is empty where it follows from the content.
    """

    name: str
    architecture: str
    source: str
    input: InputRecipe
    labels_sha256: str
    official: OfficialWeights | None
    version: str = ""

    @property
    def is_official(self) -> bool:
        """Whether this is the official model, and not one that is made of its weights."""
        return self.official is not None and self.name == self.architecture

    def is_made_as(self, manifest: Manifest) -> bool:
        """Tell whether a bundle of this name is made of what is desired, and as it is desired."""
        return (
            self.version in ("", manifest.version)
            and manifest.source == self.source
            and manifest.architecture == self.architecture
            and manifest.input == self.input
            and manifest.files.get(LABELS_FILE) == self.labels_sha256
        )


def resolve(options: ModelOptions) -> DesiredBundle:
    """Tell which bundle `options` mean, whose model is an architecture.

    Raises WeightsRefused, LabelsRefused or SettingsError if weights, labels, recipe or version are
    not there or do not go together.
    """
    official = _official(options)
    base = official or official_weights(options.model)
    recipe = change_recipe(base.input, options.recipe)
    architecture_options(options.model, recipe.crop)
    labels_sha256 = _hash_labels(options.labels_file, official)
    is_unchanged = recipe == base.input and labels_sha256 == IMAGENET_LABELS_SHA256
    name = _name(options, is_official=official is not None and is_unchanged)
    source = official.url if official else given_source(options.weights)
    desired = DesiredBundle(name, options.model, source, recipe, labels_sha256, official)
    if desired.is_official:
        is_named = options.is_plain and options.version != LATEST
        return replace(desired, version=options.version if is_named else "")
    return replace(desired, version=_own_version(options))


def desired_name(options: ModelOptions) -> str:
    """Tell the name of the model that is meant, also where something is wrong with it."""
    try:
        if options.is_directory:
            return read_manifest(Path(options.model)).name
        if options.model in ARCHITECTURES:
            return resolve(options).name
    except Mistake:
        if not options.is_directory:
            return options.name or derive_name(options.weights or options.model, options.model)
    return Path(options.model).name


def _official(options: ModelOptions) -> OfficialWeights | None:
    if not options.weights:
        return (
            _official_of_version(options) if options.is_plain else official_weights(options.model)
        )
    if not is_url(options.weights):
        check_weights(options.weights)
        return recognise_official(options.model, hash_weights(Path(options.weights)))
    # Whether it is what its name promises is seen when it is there.
    return official_weights(options.model) if options.name == options.model else None


def _official_of_version(options: ModelOptions) -> OfficialWeights:
    if options.version in ("", LATEST):
        return official_weights(options.model)
    versions = {one.version: one for one in OFFICIAL_WEIGHTS if one.architecture == options.model}
    # What was quantized is official, too, and a version beside the one that it was made of.
    version = options.version.removesuffix(INT8_SUFFIX)
    if version not in versions:
        raise SettingsError(
            f"There is no version {options.version!r} of the official {options.model}. Known: "
            f"{', '.join(versions)}."
        )
    return versions[version]


def _own_version(options: ModelOptions) -> str:
    try:
        return check_name(options.version) if options.version else ""
    except ValueError as error:
        raise SettingsError(
            f"{options.version!r} cannot be the version of a model of your own: it has the form of "
            f"a name ({error}). Use one such as 1.2.0."
        ) from None


def _hash_labels(file: Path | None, official: OfficialWeights | None) -> str:
    if file is None:
        return IMAGENET_LABELS_SHA256
    labels = read_labels(file)
    if official:
        require_count(labels, IMAGENET_CLASSES)
    return hash_labels(labels)


def _name(options: ModelOptions, *, is_official: bool) -> str:
    given = options.name
    if given in OFFICIAL_NAMES and not (is_official and given == options.model):
        raise SettingsError(
            f"TOPFIVE_MODEL_NAME={given} is the name of an official model, and these weights, "
            "labels or recipe are not the official ones. Choose another name, such as "
            f"{given}-custom."
        )
    if given:
        return given
    if is_official:
        return options.model
    return derive_name(options.weights or options.model, options.model)
