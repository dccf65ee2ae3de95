"""A bundle with a second graph, in int8: made beside its place, measured, and kept or not."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

from topfive.bundles.disk import explain_unwritable
from topfive.bundles.manifest import (
    GOLDEN_LOGITS_FILE,
    GRAPH_FILE,
    INT8_GRAPH_FILE,
    INT8_GRAPH_WEIGHTS_FILE,
    MANIFEST_FILE,
    Int8Section,
    Manifest,
)
from topfive.bundles.store import Bundle, hash_file, read_manifest
from topfive.classify.classifier import Classifier, Pixels
from topfive.classify.golden import open_reference
from topfive.classify.loading import engine_source, load_classifier
from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.photos import read_photo
from topfive.engines import EngineOptions
from topfive.errors import DatasetRefused, Failure, QuantizationRefused, SettingsError
from topfive.evaluation.photos import read_split
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.training.placement import write_beside
from topfive.training.quantization.division import Division, divide_photos
from topfive.training.quantization.graph import quantize_graph
from topfive.training.quantization.measurement import Measurement, Report, measure_bundle
from topfive.training.quantization.reference import add_int8_reference

_NEW_FILES = (GOLDEN_LOGITS_FILE, INT8_GRAPH_FILE, INT8_GRAPH_WEIGHTS_FILE)
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class QuantizationPlan:
    """What is quantized, which `version` that becomes, and how much accuracy it may cost.

    `photos` have the bundle's class ids. At most `most_calibration_photos` are calibrated on;
    `most_drop` is in points of top-1 accuracy.
    """

    bundle: Bundle
    version: str
    photos: Dataset
    models_dir: Path
    most_calibration_photos: int = 300
    most_drop: float = 0.5


@dataclass(frozen=True, slots=True)
class Quantized:
    """A bundle that was made, and what was measured of it."""

    folder: Path
    manifest: Manifest
    measurement: Measurement


def quantize_bundle(
    plan: QuantizationPlan, cpu_flags: frozenset[str], report: Report = lambda _done, _total: None
) -> Quantized:
    """Make the version of a bundle that has an int8 graph too, unless that is too inaccurate.

    `report` is told how many photos of how many are classified, of all precisions. Raises
    QuantizationRefused where int8 costs too much, DatasetRefused if photos cannot be used or are
    too few, SettingsError or BundleMissing if nothing can be written.
    """
    division = divide_photos(plan.photos, read_split(plan.bundle), plan.most_calibration_photos)
    target = plan.models_dir / plan.bundle.manifest.name / plan.version
    try:
        with write_beside(target) as folder:
            made = _make_graph(plan, division, folder)
            measurement = measure_bundle(made, division.held_out, cpu_flags, report)
            _require_accuracy(plan, measurement, len(division.held_out))
            manifest = _manifest(plan, division, folder, measurement.table)
            (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise explain_unwritable(plan.models_dir, error) from error
    if read_manifest(target) != manifest:
        raise SettingsError(
            f"Another process has made {plan.bundle.manifest.name} {plan.version} meanwhile, and a "
            "version never changes. Choose another with --version."
        )
    return Quantized(target, manifest, measurement)


def _make_graph(plan: QuantizationPlan, division: Division, folder: Path) -> Bundle:
    """Copy the bundle's files into `folder`, and write the int8 graph and what it is held against.

    Returns the bundle that this makes, with nothing measured yet.
    """
    for name in plan.bundle.manifest.files:
        # Weights for torch may be left out of a bundle.
        if (plan.bundle.folder / name).is_file():
            shutil.copyfile(plan.bundle.folder / name, folder / name)
    classifier = load_classifier(
        plan.bundle, EngineOptions("openvino", "f32"), ImageLimits(), frozenset()
    )
    try:
        quantize_graph(
            folder / GRAPH_FILE,
            folder / INT8_GRAPH_FILE,
            division.calibration,
            partial(_prepare, classifier),
        )
    finally:
        classifier.close()
    unmeasured = _manifest(plan, division, folder, {})
    made = Bundle(folder, unmeasured, plan.bundle.labels)
    _add_reference(plan.bundle, made)
    return made


def _add_reference(bundle: Bundle, made: Bundle) -> None:
    """Keep what int8 is held against; raises QuantizationRefused where it ruins the model."""
    reference = open_reference(bundle, has_features=True)
    answers = add_int8_reference(reference, engine_source(made), made.folder)
    problem = open_reference(made, has_features=True).find_disagreement(answers, "int8")
    if problem:
        raise QuantizationRefused(
            f"In int8 {bundle.manifest.name} {bundle.manifest.version} is another model: {problem}"
        )


def _prepare(classifier: Classifier, photo: LabelledPhoto) -> Pixels:
    try:
        data = read_photo(photo.path, classifier.limits)
        return classifier.prepare(sniff(data, classifier.limits)).pixels
    except Failure as failure:
        raise DatasetRefused(f"{photo.path}: {failure.detail}") from failure
    except OSError as error:
        raise DatasetRefused(f"{photo.path} cannot be read: {error.strerror}.") from error


def _require_accuracy(plan: QuantizationPlan, measurement: Measurement, photos: int) -> None:
    if measurement.drop <= plan.most_drop + _ROUNDING:
        return
    table, point = measurement.table, 100 / photos
    raise QuantizationRefused(
        f"In int8 top-1 accuracy drops by {measurement.drop:.2f} points, from "
        f"{table['f32']['top1']:.1%} to {table['int8']['top1']:.1%} of {photos} photos, of which "
        f"one is {point:.2f} points. At most {plan.most_drop:g} are allowed. Calibrate on more "
        "photos, or on such as the model will see; or allow more with --most-drop."
    )


def _manifest(
    plan: QuantizationPlan,
    division: Division,
    folder: Path,
    table: Mapping[str, Mapping[str, float]],
) -> Manifest:
    former = plan.bundle.manifest
    changes = {
        "version": plan.version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": former.files | {name: hash_file(folder / name) for name in _NEW_FILES},
        "int8": Int8Section(
            made_of=former.reference,
            calibration_photos=len(division.calibration),
            held_out_photos=len(division.held_out),
            measured={name: dict(row) for name, row in table.items()},
            made_with={name: installed_version(name) for name in ("nncf", "openvino")},
        ),
    }
    return former.model_copy(update=changes)
