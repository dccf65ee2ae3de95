"""Live accuracy: how often a version is right, by the labels that predictions were given."""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from topfive.history.observations import Labelled, Predicted
from topfive.service.live.days import moment, name_day, number_days
from topfive.statistics.calibration import (
    CalibrationBin,
    bin_answers,
    error_by_chance,
    error_of_bins,
    place_in_bins,
)
from topfive.statistics.distance import KS_THRESHOLD, distance_by_chance, ks_distance
from topfive.statistics.proportions import Interval, estimate_proportion

# With 30, all right or not, the interval is still 11 points wide; below that it tells next to
# nothing.
LEAST_LABELS = 30
_SAMPLING_BINS = 100


@dataclass(frozen=True, slots=True)
class AccuracyQuery:
    """How many of the newest labelled predictions count, and of how many days; None: of all."""

    labels: int = 1000
    days: int | None = None


@dataclass(frozen=True, slots=True)
class LiveCalibration:
    """Whether confidences mean something, by labels.

    `error` is the expected calibration error; a perfectly calibrated model shows more than
    `error_by_chance` with as many labels in one of 20 cases.
    """

    error: float
    error_by_chance: float
    is_off: bool
    mean_confidence: float
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class LabelSampling:
    """Whether labelled predictions are as sure as all are; where not, their accuracy is not all's.

    Both are mean confidences.
    """

    labelled: float
    predicted: float
    is_representative: bool


@dataclass(frozen=True, slots=True)
class AccuracyOfDay:
    """How often the labelled predictions of one day, in UTC, were right."""

    day: date
    labels: int
    top1: Interval
    top5: Interval


@dataclass(frozen=True, slots=True)
class MeasuredAccuracy:
    """What labels say, of at least one."""

    since: datetime
    until: datetime
    top1: Interval
    top5: Interval
    calibration: LiveCalibration
    sampling: LabelSampling
    days: tuple[AccuracyOfDay, ...]


@dataclass(frozen=True, slots=True)
class LiveAccuracy:
    """How often a version was right on `labels` labelled predictions; no `measured` without any."""

    labels: int
    measured: MeasuredAccuracy | None

    @property
    def is_enough(self) -> bool:
        """Whether there are enough labels to tell anything by."""
        return self.labels >= LEAST_LABELS

    @property
    def note(self) -> str | None:
        """What a reader must know of the numbers, in a sentence."""
        if self.measured is None:
            return "Nothing is labelled yet."
        if not self.is_enough:
            are = "prediction is" if self.labels == 1 else "predictions are"
            return f"{self.labels} labelled {are} too few to tell: {LEAST_LABELS} are needed."
        return _note_sampling(self.measured.sampling) or _note_calibration(self.measured)


def measure_accuracy(labelled: Labelled, predicted: Predicted) -> LiveAccuracy:
    """Measure labelled predictions, newest first; `predicted` are those that could be labelled."""
    if not len(labelled):
        return LiveAccuracy(0, None)
    measured = MeasuredAccuracy(
        since=moment(int(labelled.at_ms.min())),
        until=moment(int(labelled.at_ms.max())),
        top1=_share_within(labelled.ranks, 1),
        top5=_share_within(labelled.ranks, 5),
        calibration=_calibrate(labelled),
        sampling=_hold_against(labelled, predicted),
        days=_by_day(labelled),
    )
    return LiveAccuracy(len(labelled), measured)


def _share_within(ranks: NDArray[np.int64], most: int) -> Interval:
    is_within = (ranks > 0) & (ranks <= most)
    return estimate_proportion(int(is_within.sum()), len(ranks))


def _calibrate(labelled: Labelled) -> LiveCalibration:
    bins = bin_answers(labelled.confidences, labelled.ranks == 1)
    error, by_chance = error_of_bins(bins), error_by_chance(bins)
    is_off = len(labelled) >= LEAST_LABELS and error > by_chance
    return LiveCalibration(error, by_chance, is_off, float(labelled.confidences.mean()), bins)


def _hold_against(labelled: Labelled, predicted: Predicted) -> LabelSampling:
    samples = labelled.confidences, predicted.confidences
    if not len(predicted):
        samples = labelled.confidences, labelled.confidences
    counts = [
        np.bincount(place_in_bins(one, _SAMPLING_BINS), minlength=_SAMPLING_BINS) for one in samples
    ]
    distance, by_chance = ks_distance(*counts), distance_by_chance(*counts)
    is_other = distance > max(KS_THRESHOLD, by_chance)
    return LabelSampling(float(samples[0].mean()), float(samples[1].mean()), not is_other)


def _by_day(labelled: Labelled) -> tuple[AccuracyOfDay, ...]:
    days = number_days(labelled.at_ms)
    return tuple(
        AccuracyOfDay(
            name_day(number),
            int((days == number).sum()),
            _share_within(labelled.ranks[days == number], 1),
            _share_within(labelled.ranks[days == number], 5),
        )
        for number in np.unique(days).tolist()
    )


def _note_sampling(sampling: LabelSampling) -> str | None:
    if sampling.is_representative:
        return None
    how = "less" if sampling.labelled < sampling.predicted else "more"
    return (
        f"The labelled predictions are {how} sure than all are, with a mean confidence of "
        f"{sampling.labelled:.2f} against {sampling.predicted:.2f}: their accuracy is not that of "
        "all."
    )


def _note_calibration(measured: MeasuredAccuracy) -> str | None:
    calibration, right = measured.calibration, measured.top1.value
    if not calibration.is_off:
        return None
    return (
        f"Confidences are off by {calibration.error:.2f} on average, beyond chance: their mean is "
        f"{calibration.mean_confidence:.2f}, and {right:.2f} of the labelled predictions are right."
    )
