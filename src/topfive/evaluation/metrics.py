"""How well a classifier does, in numbers: accuracy, each class, calibration, time."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.evaluation.answers import Answers
from topfive.evaluation.calibration import bin_confidences
from topfive.statistics.calibration import CalibrationBin, error_of_bins
from topfive.statistics.proportions import Interval, estimate_proportion, rounded

_PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How well one class is recognised, over `count` photos of it.

    `precision` is the share of the answers of this class that are right, `recall` the share of its
    photos that are recognised, `f1` their harmonic mean; None where there is nothing to divide by.
    """

    class_id: int
    class_name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        numbers = {name: getattr(self, name) for name in ("precision", "recall", "f1")}
        return asdict(self) | {
            name: None if one is None else rounded(one) for name, one in numbers.items()
        }


@dataclass(frozen=True, slots=True)
class Confusion:
    """`count` photos of the class `truth` were taken for the class `prediction`."""

    truth: int
    prediction: int
    count: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well a classifier does on `count` photos, of which `failures` more got no answer.

    `classes` are those that have photos or were answered. `confusions` are the cells of the
    confusion matrix that are not empty, right answers included. Latencies are in milliseconds, by
    `mean` and percentile (`p50`, ...).
    """

    count: int
    failures: int
    top1: Interval
    top5: Interval
    calibration_error: float
    mean_confidence: float
    classes: tuple[ClassMetrics, ...]
    confusions: tuple[Confusion, ...]
    bins: tuple[CalibrationBin, ...]
    inference_ms: dict[str, float]
    total_ms: dict[str, float]

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have photos, each counted once."""
        return _mean([one.f1 or 0 for one in self.classes if one.count])

    @property
    def macro_recall(self) -> float:
        """The mean recall of the classes that have photos: what is called balanced accuracy."""
        return _mean([one.recall or 0 for one in self.classes if one.count])

    def to_document(self) -> dict[str, Any]:
        """Give all of it as JSON has it; of photos only how many they were."""
        return {
            "photos": self.count,
            "failures": self.failures,
            "top1": self.top1.to_document(),
            "top5": self.top5.to_document(),
            "macro_f1": rounded(self.macro_f1),
            "macro_recall": rounded(self.macro_recall),
            "expected_calibration_error": rounded(self.calibration_error),
            "mean_confidence": rounded(self.mean_confidence),
            "latency_ms": {"inference": self.inference_ms, "total": self.total_ms},
            "calibration_bins": [_rounded_values(asdict(one)) for one in self.bins],
            "classes": [one.to_document() for one in self.classes],
            "confusions": [asdict(one) for one in self.confusions],
        }

    def summary(self) -> dict[str, float]:
        """Give the numbers that a bundle's manifest has of its held-out photos."""
        return {
            "held_out_top1": rounded(self.top1.value),
            "held_out_top5": rounded(self.top5.value),
            "held_out_count": self.count,
            "held_out_calibration_error": rounded(self.calibration_error),
        }


def measure(answers: Answers, classes: tuple[str, ...]) -> Metrics:
    """Measure answers whose class ids are places in `classes`."""
    count = len(answers.truths)
    ranks = rank_truths(answers.probabilities, answers.truths)
    bins = bin_confidences(answers.probabilities, answers.truths)
    return Metrics(
        count=count,
        failures=len(answers.failures),
        top1=estimate_proportion(int((ranks < 1).sum()), count),
        top5=estimate_proportion(int((ranks < 5).sum()), count),
        calibration_error=error_of_bins(bins),
        mean_confidence=float(answers.confidences.mean()),
        classes=_measure_classes(answers, classes),
        confusions=_count_confusions(answers),
        bins=bins,
        inference_ms=_latencies(answers.inference_ms),
        total_ms=_latencies(answers.total_ms),
    )


def rank_truths(probabilities: NDArray[np.float32], truths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell how many classes come before the true one, (n,), by probabilities (n, classes).

    Of equally likely classes the one with the smaller id comes first.
    """
    ranks: NDArray[np.int64] = np.array(
        [_rank(row, truth) for row, truth in zip(probabilities, truths.tolist(), strict=True)]
    )
    return ranks


def _rank(row: NDArray[np.float32], truth: int) -> int:
    return int((row > row[truth]).sum() + (row[:truth] == row[truth]).sum())


def _measure_classes(answers: Answers, names: tuple[str, ...]) -> tuple[ClassMetrics, ...]:
    photos, answered, right = (
        np.bincount(ids, minlength=len(names)).tolist()
        for ids in (answers.truths, answers.predictions, answers.truths[answers.is_right])
    )
    return tuple(
        ClassMetrics(
            class_id,
            name,
            photos[class_id],
            precision=_share(right[class_id], answered[class_id]),
            recall=_share(right[class_id], photos[class_id]),
            f1=_share(2 * right[class_id], photos[class_id] + answered[class_id]),
        )
        for class_id, name in enumerate(names)
        if photos[class_id] or answered[class_id]
    )


def _count_confusions(answers: Answers) -> tuple[Confusion, ...]:
    pairs = np.stack([answers.truths, answers.predictions], axis=1)
    cells, counts = np.unique(pairs, axis=0, return_counts=True)
    return tuple(
        Confusion(truth, prediction, count)
        for (truth, prediction), count in zip(cells.tolist(), counts.tolist(), strict=True)
    )


def _latencies(times_ms: NDArray[np.float64]) -> dict[str, float]:
    percentiles = np.percentile(times_ms, _PERCENTILES)
    named = {f"p{one}": value for one, value in zip(_PERCENTILES, percentiles, strict=True)}
    return {name: round(float(one), 3) for name, one in {"mean": times_ms.mean(), **named}.items()}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _rounded_values(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(one, 6) for name, one in numbers.items()}
