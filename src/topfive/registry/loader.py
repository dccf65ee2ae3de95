"""Finds a model's bundle, has it made by a provider where it is missing, and loads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from topfive.bundles.official import is_impostor
from topfive.bundles.store import (
    Bundle,
    demo_root,
    find_bundle,
    list_manifests,
    open_bundle,
    read_manifest,
)
from topfive.bundles.versions import KnownBundle, pick_version
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.engines.architectures import ARCHITECTURES, KNOWN_ARCHITECTURES, did_you_mean
from topfive.engines.contract import EngineOptions
from topfive.errors import (
    BundleMissing,
    BundleRefused,
    EngineRefused,
    LabelsRefused,
    Mistake,
    ModelTooLarge,
    OperatorError,
    SettingsError,
    StoreUnreachable,
    WeightsRefused,
    WeightsUnreachable,
)
from topfive.images.limits import ImageLimits
from topfive.registry.desired import ModelOptions, desired_name, named_model, resolve
from topfive.registry.known import known_bundles


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a bundle is loaded."""

    engine: EngineOptions
    image_limits: ImageLimits
    cpu_flags: frozenset[str]


class BundleProvider(Protocol):
    """Makes a bundle that is not here."""

    def __call__(self, options: ModelOptions) -> object:
        """Make or fetch the bundle that `options` mean, and put it where `locate_bundle` finds it.

        Raises a Mistake, or WeightsUnreachable or BundleMissing where trying again may help.
        """


def _unknown(name: str, models_dir: Path) -> str:
    """Say that there is no such model, and what there is: the nearest names, and what was made."""
    roots = (demo_root(), models_dir)
    made = sorted({one.name for root in roots for _, one in list_manifests(root)})
    parts = (
        f"There is no model {name!r}.",
        did_you_mean(name, {*made, *ARCHITECTURES}),
        f"Known: {', '.join(made)}; {KNOWN_ARCHITECTURES}; or the path of a bundle's directory.",
    )
    return " ".join(filter(None, parts))


def locate_bundle(options: ModelOptions) -> Path | None:
    """Find the bundle that `options` mean, or None if it is not there and can be made.

    What is not known may be in a store, where there is one. Raises SettingsError if the model or
    its version is not known, WeightsRefused or LabelsRefused if what it is made of is not there,
    BundleRefused if a damaged bundle may be the one.
    """
    if options.is_directory:
        return Path(options.model)
    if options.version.startswith("sha256:"):
        return _locate_digest(options)
    if options.model in ARCHITECTURES:
        desired = resolve(options)
        return find_bundle(options.models_dir, desired.name, desired.is_made_as)
    return _locate_finished(options)


def _locate_digest(options: ModelOptions) -> Path | None:
    """Find a bundle by its content, which says all that there is to say of it."""
    name = options.name or options.model
    known = [one for one in known_bundles(options.models_dir).list() if one.ref.name == name]
    return _require(pick_version(known, options.version), options)


def _locate_finished(options: ModelOptions) -> Path | None:
    # What is shipped inside has a name of its own, which no bundle on disk takes over.
    for root in (demo_root(), options.models_dir):
        folder = find_bundle(root, options.model, version=options.version or None)
        if folder is not None:
            return folder
    return _require(None, options)


def _require(found: KnownBundle | None, options: ModelOptions) -> Path | None:
    if found is not None:
        return found.folder
    if options.may_be_stored:
        return None
    known = known_bundles(options.models_dir).list()
    versions = [one.ref.version for one in known if one.ref.name == options.model]
    if versions:
        raise SettingsError(
            f"There is no version {options.version!r} of {options.model} in {options.models_dir}. "
            f"Known: {', '.join(versions)}."
        )
    raise SettingsError(_unknown(options.model, options.models_dir))


def open_located(folder: Path) -> Bundle:
    """Open a bundle; raises BundleRefused if it is damaged, or has an official name wrongly."""
    bundle = open_bundle(folder)
    name = bundle.manifest.name
    if is_impostor(name, bundle.manifest.source):
        raise BundleRefused(
            f"The bundle in {folder} calls itself {name}, but is not made of the official weights. "
            'Change "name" in its bundle.json, or make it again: topfive pull --name NAME.'
        )
    return bundle


def find_impostors(models_dir: Path) -> list[Path]:
    """List bundles that have an official name, but are made of weights of one's own.

    Earlier releases made such; they are never served as the official model.
    """
    return [
        folder
        for folder, manifest in list_manifests(models_dir)
        if is_impostor(manifest.name, manifest.source)
    ]


def may_have_int8(options: ModelOptions) -> bool:
    """Tell whether a model's bundle has an int8 graph, or comes from a store that may have such."""
    try:
        folder = locate_bundle(options)
        if folder is None:
            return options.may_be_stored
        return read_manifest(folder).int8 is not None
    except Mistake:
        return False


def require_located(options: ModelOptions) -> Path:
    """Find a bundle that must be there.

    Raises BundleMissing if it is not, and as `locate_bundle`.
    """
    folder = locate_bundle(options)
    if folder is None:
        raise BundleMissing(
            f"There is no bundle of {desired_name(options)} in {options.models_dir} yet."
        )
    return folder


def open_named(reference: str, models_dir: Path) -> Bundle:
    """Open the bundle that a name, `name@version` or folder means; raises a Mistake."""
    return open_bundle(require_located(named_model(reference, models_dir)))


def open_classifier(folder: Path, options: LoadOptions) -> Classifier:
    """Load the bundle in a folder; raises BundleRefused or EngineRefused."""
    return load_classifier(
        open_located(folder), options.engine, options.image_limits, options.cpu_flags
    )


def load_present(options: ModelOptions, load_options: LoadOptions) -> Classifier:
    """Load a model whose bundle is there.

    Raises BundleMissing if it is not, a Mistake if it cannot be used.
    """
    return open_classifier(require_located(options), load_options)


def obtain_bundle(options: ModelOptions, provide: BundleProvider) -> Path:
    """Find a model's bundle, having it made first by `provide` where it is missing.

    Raises as `require_located` and `provide`.
    """
    if locate_bundle(options) is None:
        provide(options)
    return require_located(options)


_MORE = "The service's log says more."
_TRIED_AGAIN = "The service keeps trying; its log says more."
# Why a model does not serve, by the first kind of error that fits.
_EXPLANATIONS: tuple[tuple[tuple[type[OperatorError], ...], str], ...] = (
    ((WeightsUnreachable,), f"The weights of {{}} could not be downloaded. {_TRIED_AGAIN}"),
    (
        (StoreUnreachable,),
        f"{{}} is not here yet, and the model store cannot be used. {_TRIED_AGAIN}",
    ),
    ((BundleRefused,), f"The bundle of {{}} is damaged. {_MORE}"),
    ((EngineRefused,), f"The model {{}} cannot run here. {_MORE}"),
    ((ModelTooLarge,), f"There is not enough memory for {{}}. {_MORE}"),
    (
        (WeightsRefused, LabelsRefused, SettingsError),
        f"What is given for {{}} (weights, labels or settings) cannot be used. {_MORE}",
    ),
    ((OperatorError,), f"The bundle of {{}} is not here yet. {_TRIED_AGAIN}"),
)


def explain(error: OperatorError, model: str) -> str:
    """Say why a model does not serve, in words that may be shown to anyone."""
    return next(text for kinds, text in _EXPLANATIONS if isinstance(error, kinds)).format(model)
