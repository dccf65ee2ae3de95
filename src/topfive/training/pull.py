"""`topfive pull`: makes the bundle of a known model from official or given weights."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError

from topfive.bundles.disk import explain_unwritable
from topfive.bundles.labels import hash_labels, read_labels, require_count
from topfive.bundles.manifest import LAYOUT
from topfive.bundles.official import IMAGENET_CLASSES, OfficialWeights, official_weights
from topfive.bundles.source import content_version, hash_weights, is_url, shown
from topfive.bundles.store import find_bundle, read_manifest
from topfive.engines.architectures import architecture_options, require_known
from topfive.engines.torchvision_models import import_torchvision
from topfive.errors import BundleMissing, LabelsRefused, SettingsError, WeightsRefused
from topfive.registry.desired import DesiredBundle, ModelOptions, resolve
from topfive.training.checkpoints import fit_architecture
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture
from topfive.training.renewal import has_weights, renew_bundle
from topfive.training.weights import fetch_weights, load_state_dict


def pull_bundle(options: ModelOptions) -> Path:
    """Make the bundle that `options` describe, unless it is there; returns its folder.

    One of an earlier layout is made again: of the weights in it, or where it has none, of those
    that it was made of.

    Raises a Mistake if the model is unknown, or weights, labels or recipe cannot be used;
    WeightsUnreachable or BundleMissing if they cannot be fetched or written now.
    """
    require_known(options.model)
    desired = resolve(options)
    try:
        options.models_dir.mkdir(parents=True, exist_ok=True)
        # Several workers or machines may share the directory: one of them does the work.
        with FileLock(options.models_dir / ".pull.lock"):
            return _pull(options, desired)
    except OSError as error:
        raise explain_unwritable(options.models_dir, error) from error
    except SafetensorError as error:
        raise BundleMissing(f"The bundle cannot be written: {error}") from error


def _pull(options: ModelOptions, desired: DesiredBundle) -> Path:
    present = find_bundle(options.models_dir, desired.name, desired.is_made_as)
    is_older = present is not None and read_manifest(present).layout < LAYOUT
    if present is not None and not is_older:
        return present
    if present is not None and has_weights(present):
        return renew_bundle(present)
    if not is_older:
        _require_free(options, desired)
    with TemporaryDirectory(dir=options.models_dir, prefix=".fetching-") as folder:
        file = _obtain_file(options, desired, Path(folder))
        weights_sha256 = hash_weights(file)
        state_dict, classes = fit_architecture(
            load_state_dict(file), desired.architecture, desired.input.crop
        )
    labels = _labels(options.labels_file, desired, classes)
    plan = BundlePlan(
        name=desired.name,
        version=_version(desired, weights_sha256, labels),
        architecture=desired.architecture,
        architecture_options=architecture_options(desired.architecture, desired.input.crop),
        input=desired.input,
        labels=labels,
        source=desired.source,
        golden=draw_golden_picture(desired.input.crop),
        metrics=_official_metrics(desired.official) if desired.is_official else {},
    )
    return write_bundle(plan, state_dict, options.models_dir, replaces=is_older)


def _obtain_file(options: ModelOptions, desired: DesiredBundle, folder: Path) -> Path:
    """Return a weights file, fetched into `folder` if it is not local."""
    if options.weights and not is_url(options.weights):
        return Path(options.weights)
    if not options.weights:
        official = desired.official or official_weights(options.model)
        return fetch_weights(official.url, folder, official.sha256_prefix)
    path = fetch_weights(options.weights, folder)
    if desired.official and not hash_weights(path).startswith(desired.official.sha256_prefix):
        raise WeightsRefused(
            f"TOPFIVE_MODEL_NAME={options.name} is the name of an official model, and what "
            f"{shown(options.weights)} gives are not its weights. Choose another name."
        )
    return path


def _version(desired: DesiredBundle, weights_sha256: str, labels: tuple[str, ...]) -> str:
    if desired.is_official and desired.official:
        return desired.official.version
    return desired.version or content_version(weights_sha256, hash_labels(labels), desired.input)


def _require_free(options: ModelOptions, desired: DesiredBundle) -> None:
    """Do nothing if the version can be made here; raises SettingsError if not."""
    official = desired.official
    if official and desired.is_official and desired.version not in ("", official.version):
        raise SettingsError(
            f"{desired.name}@{desired.version} cannot be pulled. Make it with `topfive quantize "
            f"{desired.name}@{official.version} --calibrate PHOTOS`."
        )
    if desired.version and (options.models_dir / desired.name / desired.version).exists():
        raise SettingsError(
            f"There is a version {desired.version} of {desired.name} already, made of other "
            "weights, labels or another recipe. A version never changes: choose another one."
        )


def _labels(labels_file: Path | None, desired: DesiredBundle, classes: int) -> tuple[str, ...]:
    if labels_file is not None:
        labels = read_labels(labels_file)
        require_count(labels, classes)
        return labels
    if classes != IMAGENET_CLASSES:
        raise LabelsRefused(
            f"The weights have {classes} classes, not ImageNet's {IMAGENET_CLASSES}. Set "
            "TOPFIVE_LABELS (--labels) to a text file with one name a line."
        )
    official = desired.official or official_weights(desired.architecture)
    return tuple(_torchvision_meta(official)["categories"])


def _official_metrics(official: OfficialWeights | None) -> dict[str, float]:
    if official is None:
        return {}
    measured = _torchvision_meta(official)["_metrics"]["ImageNet-1K"]
    return {"imagenet_top1": measured["acc@1"] / 100, "imagenet_top5": measured["acc@5"] / 100}


def _torchvision_meta(official: OfficialWeights) -> dict[str, Any]:
    known = import_torchvision().models.get_model_weights(official.architecture)
    meta: dict[str, Any] = known[official.version.upper().replace("-", "_")].meta
    return meta
