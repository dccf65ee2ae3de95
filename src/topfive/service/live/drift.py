"""Drift: whether what is predicted now differs from the reference by more than chance explains."""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from topfive.history.observations import Predicted
from topfive.service.live.days import moment, name_day
from topfive.service.live.reference import (
    FIRST_PREDICTIONS,
    LEAST_PREDICTIONS,
    SHOWN_BINS,
    Reference,
    count_classes,
    count_confidences,
)
from topfive.statistics.distance import KS_THRESHOLD, distance_by_chance, ks_distance
from topfive.statistics.stability import (
    PSI_THRESHOLD,
    Counts,
    add_up,
    group_classes,
    index_by_chance,
    stability_index,
)

# Short enough to see a change soon, long enough that a share of 10% is known to 3 points.
WINDOW = 500
_SHOWN_CHANGES = 5

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a window lies from the reference; an alarm is beyond the threshold and chance."""

    value: float
    threshold: float
    by_chance: float

    @property
    def is_alarm(self) -> bool:
        """Whether it is too far."""
        return self.value > max(self.threshold, self.by_chance)


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """Classes of neighbouring ids, and their shares of the reference's and the window's answers."""

    first_class_id: int
    last_class_id: int
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class ChangedClass:
    """A class whose share changed."""

    class_id: int
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class ClassDrift:
    """How the classes that are predicted have changed: by the population stability index."""

    psi: Divergence
    groups: tuple[ClassGroup, ...]
    changed: tuple[ChangedClass, ...]


@dataclass(frozen=True, slots=True)
class ConfidenceDrift:
    """How confidences have changed: by the Kolmogorov-Smirnov distance.

    `reference` and `window` are the shares of SHOWN_BINS bins of equal width.
    """

    ks: Divergence
    reference_mean: float
    window_mean: float
    reference: tuple[float, ...]
    window: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DriftOfDay:
    """How far one day, in UTC, lies from the reference; None where it has too few predictions."""

    day: date
    predictions: int
    psi: Divergence | None = None
    ks: Divergence | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether the day is too far from the reference."""
        return any(one is not None and one.is_alarm for one in (self.psi, self.ks))


@dataclass(frozen=True, slots=True)
class LiveDrift:
    """A version's newest predictions beside its reference; without enough there is no drift told.

    `since` and `until` are of the first and last prediction in the window.
    """

    reference: Reference
    window: int
    since: datetime | None
    until: datetime | None
    classes: ClassDrift | None
    confidences: ConfidenceDrift | None

    @property
    def is_enough(self) -> bool:
        """Whether both have enough predictions to be compared."""
        return self.classes is not None

    @property
    def is_alarm(self) -> bool:
        """Whether classes or confidences have changed too much."""
        return any(one.is_alarm for one in self._divergences())

    @property
    def note(self) -> str | None:
        """What was found, or why nothing can be, in a sentence; None: all is well."""
        if not self.reference.is_complete:
            return (
                f"The first {FIRST_PREDICTIONS} predictions become the reference; so far there are "
                f"{self.reference.count}."
            )
        if self.classes is None or self.confidences is None:
            return (
                f"At least {LEAST_PREDICTIONS} predictions are compared with the reference; so far "
                f"there are {self.window}."
            )
        return _note(self.classes.psi, self.confidences.ks)

    def _divergences(self) -> tuple[Divergence, ...]:
        if self.classes is None or self.confidences is None:
            return ()
        return self.classes.psi, self.confidences.ks


def measure_drift(reference: Reference, newest: Predicted) -> LiveDrift:
    """Hold a version's newest predictions, newest first, against its reference."""
    since = until = None
    if len(newest):
        since, until = moment(int(newest.at_ms[-1])), moment(int(newest.at_ms[0]))
    drift = LiveDrift(reference, len(newest), since, until, None, None)
    if not reference.is_complete or len(newest) < LEAST_PREDICTIONS:
        return drift
    return LiveDrift(
        reference,
        len(newest),
        since,
        until,
        _compare_classes(reference, newest),
        _compare_confidences(reference, newest),
    )


def measure_day(reference: Reference, number: int, predicted: Predicted) -> DriftOfDay:
    """Hold predictions of one numbered day against the reference."""
    day, count = name_day(number), len(predicted)
    if not reference.is_complete or count < LEAST_PREDICTIONS:
        return DriftOfDay(day, count)
    psi, ks = index_of(reference, predicted), distance_of(reference, predicted)
    return DriftOfDay(day, count, psi, ks)


def index_of(reference: Reference, predicted: Predicted) -> Divergence:
    """Tell how far the predicted classes lie from the reference's."""
    groups = group_classes(reference.class_counts)
    window = count_classes(predicted.class_ids, len(groups))
    both = add_up(reference.class_counts, groups), add_up(window, groups)
    return Divergence(stability_index(*both), PSI_THRESHOLD, index_by_chance(*both))


def distance_of(reference: Reference, predicted: Predicted) -> Divergence:
    """Tell how far the confidences lie from the reference's."""
    bins = len(reference.confidence_counts)
    both = reference.confidence_counts, count_confidences(predicted.confidences, bins)
    return Divergence(ks_distance(*both), KS_THRESHOLD, distance_by_chance(*both))


def _compare_classes(reference: Reference, newest: Predicted) -> ClassDrift:
    groups = group_classes(reference.class_counts)
    before = reference.class_counts / reference.count
    now = count_classes(newest.class_ids, len(groups)) / len(newest)
    return ClassDrift(
        index_of(reference, newest),
        tuple(_group(np.flatnonzero(groups == one), before, now) for one in np.unique(groups)),
        _most_changed(before, now),
    )


def _group(members: Counts, before: Shares, now: Shares) -> ClassGroup:
    return ClassGroup(
        int(members[0]), int(members[-1]), float(before[members].sum()), float(now[members].sum())
    )


def _most_changed(before: Shares, now: Shares) -> tuple[ChangedClass, ...]:
    changes = np.abs(now - before)
    first = np.argsort(-changes, kind="stable")[:_SHOWN_CHANGES].tolist()
    return tuple(
        ChangedClass(one, float(before[one]), float(now[one])) for one in first if changes[one]
    )


def _compare_confidences(reference: Reference, newest: Predicted) -> ConfidenceDrift:
    return ConfidenceDrift(
        distance_of(reference, newest),
        reference.mean_confidence,
        float(newest.confidences.mean()),
        _shown_shares(reference.confidence_counts),
        _shown_shares(count_confidences(newest.confidences, SHOWN_BINS)),
    )


def _shown_shares(counts: Counts) -> tuple[float, ...]:
    shares = counts.reshape(SHOWN_BINS, -1).sum(axis=1) / counts.sum()
    return tuple(shares.tolist())


def _note(psi: Divergence, ks: Divergence) -> str | None:
    told = []
    if psi.is_alarm:
        told.append(
            f"Predicted classes differ from the reference: the population stability index is "
            f"{psi.value:.2f}, and {psi.threshold} is the bound."
        )
    if ks.is_alarm:
        told.append(
            f"Confidences differ from the reference: the Kolmogorov-Smirnov distance is "
            f"{ks.value:.2f}, and {ks.threshold} is the bound."
        )
    return " ".join(told) or None
