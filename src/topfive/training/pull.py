"""`topfive pull`: makes the bundle of a known model from official or given weights."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from topfive.bundles.labels import parse_labels
from topfive.bundles.manifest import InputSection
from topfive.bundles.source import content_version, given_source, is_url
from topfive.bundles.store import find_bundle
from topfive.engines.architectures import require_known
from topfive.engines.torchvision_models import import_torchvision
from topfive.errors import WeightsRefused
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture
from topfive.training.weights import StateDict, fetch_weights, load_state_dict

_CLASSIFIER_BIAS = {"mobilenet_v2": "classifier.1.bias", "resnet50": "fc.bias"}


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What to pull: a model, its weights (empty: official), labels (None: ImageNet's), where to."""

    name: str
    weights: str
    labels_file: Path | None
    root: Path


def pull_bundle(options: PullOptions) -> Path:
    """Make the bundle that `options` describe, unless it is there; returns its folder.

    Raises WeightsRefused if the model is unknown, or its weights are not there or do not fit.
    """
    require_known(options.name)
    options.root.mkdir(parents=True, exist_ok=True)
    # Several workers or machines may share the directory: one of them does the work.
    with FileLock(options.root / ".pull.lock"):
        return _pull(options)


def _pull(options: PullOptions) -> Path:
    official = _official_weights(options.name)
    source = given_source(options.weights) if options.weights else str(official.url)
    present = find_bundle(options.root, options.name, source)
    if present is not None:
        return present
    with TemporaryDirectory(dir=options.root, prefix=".fetching-") as folder:
        file, version = _obtain_file(options, official, Path(folder))
        state_dict = load_state_dict(file)
    labels = _labels(options.labels_file, official, _count_classes(options.name, state_dict))
    plan = BundlePlan(
        name=options.name,
        version=version,
        architecture=options.name,
        input=_input_section(official),
        labels=labels,
        source=source,
        golden=draw_golden_picture(_input_section(official).crop),
        metrics={} if options.weights else _official_metrics(official),
    )
    return write_bundle(plan, state_dict, options.root)


def _obtain_file(options: PullOptions, official: Any, folder: Path) -> tuple[Path, str]:
    """Return a weights file, fetched into `folder` if it is not local, and its version's name."""
    if is_url(options.weights):
        path = fetch_weights(options.weights, folder)
        return path, content_version(path)
    if options.weights:
        return Path(options.weights), content_version(Path(options.weights))
    # torchvision ends its files' names with the first 8 digits of their sha256.
    path = fetch_weights(official.url, folder, Path(official.url).stem.rpartition("-")[2])
    return path, official.name.lower().replace("_", "-")


def _official_weights(name: str) -> Any:
    return import_torchvision().models.get_model_weights(name).DEFAULT


def _input_section(official: Any) -> InputSection:
    """Take resize, crop and normalisation from torchvision's own preset for these weights."""
    preset = official.transforms()
    return InputSection(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _official_metrics(official: Any) -> dict[str, float]:
    measured = official.meta["_metrics"]["ImageNet-1K"]
    return {"imagenet_top1": measured["acc@1"] / 100, "imagenet_top5": measured["acc@5"] / 100}


def _count_classes(architecture: str, state_dict: StateDict) -> int:
    """Read the number of classes off the classifier's bias; raises WeightsRefused without one."""
    bias = state_dict.get(_CLASSIFIER_BIAS[architecture])
    if bias is None or bias.ndim != 1:
        raise WeightsRefused(f"The weights are not of {architecture}: they have no classifier.")
    return int(bias.shape[0])


def _labels(labels_file: Path | None, official: Any, classes: int) -> tuple[str, ...]:
    if labels_file is not None:
        return _read_labels(labels_file, classes)
    names = tuple(official.meta["categories"])
    if len(names) != classes:
        raise WeightsRefused(
            f"The weights have {classes} classes, not ImageNet's {len(names)}. Set TOPFIVE_LABELS "
            "to a text file with one name a line."
        )
    return names


def _read_labels(labels_file: Path, classes: int) -> tuple[str, ...]:
    try:
        return parse_labels(labels_file.read_text("utf-8"), classes)
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsRefused(f"The labels file {labels_file} cannot be read: {error}") from error
