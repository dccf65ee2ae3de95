"""What int8 costs and gives: a bundle's precisions on the same photos, beside each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from topfive.bundles.manifest import GRAPH_WEIGHTS_FILE, INT8_GRAPH_WEIGHTS_FILE
from topfive.bundles.store import Bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import engine_source, load_classifier
from topfive.classify.speed import measure_ms
from topfive.datasets.dataset import LabelledPhoto
from topfive.engines import (
    SIMULATED_INT8,
    EngineCandidate,
    EngineOptions,
    native_int8,
    open_engine,
)
from topfive.errors import EngineRefused, QuantizationRefused
from topfive.evaluation.answers import Answers, classify_photos
from topfive.evaluation.comparison import Comparison, compare
from topfive.evaluation.metrics import measure
from topfive.images.limits import ImageLimits

# Told how many photos of how many were classified.
Report = Callable[[int, int], None]

_GRAPH_FILES = {"int8": INT8_GRAPH_WEIGHTS_FILE}
_LIMITS = ImageLimits()


@dataclass(frozen=True, slots=True)
class Measurement:
    """How each precision does, and int8 beside f32.

    `table` has a row for each: `top1` and `top5` over the photos, `graph_bytes`, and where this CPU
    computes in that precision by itself `inference_ms`.
    """

    table: Mapping[str, Mapping[str, float]]
    comparison: Comparison

    @property
    def drop(self) -> float:
        """By how many points int8 is less accurate than f32; negative where it is more."""
        return -100 * self.comparison.difference.value


def measure_bundle(
    bundle: Bundle, photos: Sequence[LabelledPhoto], cpu_flags: frozenset[str], report: Report
) -> Measurement:
    """Classify photos in each precision that can be computed here, as the service does.

    Where the CPU does not compute in int8 by itself, its steps are computed in f32: accuracy is
    what it is elsewhere, and time is not told. Raises QuantizationRefused if int8 does not agree
    with its reference, EngineRefused if f32 does not.
    """
    with _opened(bundle, cpu_flags) as classifiers:
        answers = {
            precision: _classify(classifier, photos, place, len(classifiers), report)
            for place, (precision, classifier) in enumerate(classifiers.items())
        }
        times_ms = _measure_times(classifiers)
    table = {
        precision: _row(bundle, precision, one) | times_ms.get(precision, {})
        for precision, one in answers.items()
    }
    comparison = compare(answers["f32"], answers["int8"])
    table["int8"] |= {
        "top1_difference": comparison.difference.value,
        "top1_difference_low": comparison.difference.low,
        "top1_difference_high": comparison.difference.high,
        "same_answer_as_f32": _same_answers(answers["f32"], answers["int8"]),
    }
    return Measurement(table, comparison)


@contextmanager
def _opened(bundle: Bundle, cpu_flags: frozenset[str]) -> Iterator[dict[str, Classifier]]:
    """Open a bundle in all precisions, f32 first."""
    with ExitStack() as opened:
        classifiers = {"f32": _open(bundle, "f32", cpu_flags)}
        opened.callback(classifiers["f32"].close)
        # A model that is not served in bf16 is measured without.
        with suppress(EngineRefused):
            in_bf16 = _open(bundle, "bf16", cpu_flags)
            opened.callback(in_bf16.close)
            if in_bf16.engine.precision == "bf16":
                classifiers["bf16"] = in_bf16
        classifiers["int8"] = _open_int8(bundle, cpu_flags)
        opened.callback(classifiers["int8"].close)
        yield classifiers


def _open(bundle: Bundle, precision: str, cpu_flags: frozenset[str]) -> Classifier:
    return load_classifier(bundle, EngineOptions("openvino", precision), _LIMITS, cpu_flags)


def _open_int8(bundle: Bundle, cpu_flags: frozenset[str]) -> Classifier:
    if not native_int8(cpu_flags):
        candidate = EngineCandidate("openvino", SIMULATED_INT8, "the CPU does not compute in int8")
        return Classifier(bundle, open_engine(engine_source(bundle), candidate, 1), _LIMITS)
    try:
        return _open(bundle, "int8", cpu_flags)
    except EngineRefused as refusal:
        raise QuantizationRefused(f"In int8 the model is not what it was: {refusal}") from refusal


def _classify(
    classifier: Classifier,
    photos: Sequence[LabelledPhoto],
    place: int,
    places: int,
    report: Report,
) -> Answers:
    before, total = place * len(photos), places * len(photos)
    return classify_photos(classifier, photos, lambda done: report(before + done, total))


def _measure_times(classifiers: Mapping[str, Classifier]) -> dict[str, dict[str, float]]:
    native = {
        name: one for name, one in classifiers.items() if one.engine.precision != SIMULATED_INT8
    }
    side = classifiers["f32"].side
    times_ms = measure_ms([one.engine for one in native.values()], side)
    return {
        name: {"inference_ms": round(one, 3)} for name, one in zip(native, times_ms, strict=True)
    }


def _row(bundle: Bundle, precision: str, answers: Answers) -> dict[str, float]:
    metrics = measure(answers, bundle.labels)
    graph_file = bundle.folder / _GRAPH_FILES.get(precision, GRAPH_WEIGHTS_FILE)
    return {
        "top1": round(metrics.top1.value, 6),
        "top5": round(metrics.top5.value, 6),
        "graph_bytes": graph_file.stat().st_size,
    }


def _same_answers(first: Answers, second: Answers) -> float:
    return round(float((first.predictions == second.predictions).mean()), 6)
