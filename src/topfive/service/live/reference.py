"""What predictions are compared with: what the bundle's held-out photos got, or the first ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from topfive.bundles.evaluation import HeldOutPredictions, read_held_out
from topfive.bundles.versions import KnownBundle
from topfive.history.observations import (
    KeptReference,
    Observations,
    ObservedModel,
    Predicted,
)
from topfive.history.records import RecordedModel
from topfive.statistics.calibration import place_in_bins
from topfive.statistics.stability import Counts

# So many first predictions are the reference where the bundle has none.
FIRST_PREDICTIONS = 1000
# With fewer, chance alone moves a class group's share by half.
LEAST_PREDICTIONS = 200
# An evaluation has 15 bins, and more show more of confidences that all lie near 1.
SHOWN_BINS = 15
_FINE_BINS = 150


class ReferenceSource(Enum):
    """Where a reference comes from."""

    EVALUATION = "evaluation"
    FIRST_PREDICTIONS = "first_predictions"


@dataclass(frozen=True, slots=True)
class Reference:
    """How often each class was predicted, (classes,), and how surely, (bins,).

    There are SHOWN_BINS bins of equal width, or a multiple of them.
    `last_ms` is when the last of first predictions was made: what is compared comes after it.
    """

    source: ReferenceSource
    wanted: int
    class_counts: Counts
    confidence_counts: Counts
    mean_confidence: float
    last_ms: int | None = None

    @property
    def count(self) -> int:
        """Of how many predictions it is made."""
        return int(self.class_counts.sum())

    @property
    def is_complete(self) -> bool:
        """Whether it has all that it needs."""
        return self.count >= self.wanted


def count_classes(class_ids: Counts, classes: int) -> Counts:
    """Count class ids (n,): how often each of so many classes is there, (classes,).

    An id beyond them, which no version gives, counts as the last.
    """
    return np.bincount(np.clip(class_ids, 0, classes - 1), minlength=classes)


def count_confidences(confidences: NDArray[np.float64], bins: int) -> Counts:
    """Count confidences (n,) over bins of equal width, (bins,)."""
    return np.bincount(place_in_bins(confidences, bins), minlength=bins)


class References:
    """Finds each version's reference; what a bundle says is read once."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._held_out: dict[str, HeldOutPredictions | None] = {}

    def find(self, observed: ObservedModel, bundles: Sequence[KnownBundle]) -> Reference:
        """Find a version's reference; `bundles` are those of its name that are here.

        Raises HistoryUnavailable.
        """
        held_out = self._read(observed.model, bundles)
        if held_out is not None:
            return _of_evaluation(held_out)
        if observed.reference is not None:
            return _of_kept(observed.reference, len(observed.model.classes))
        first = self._observations.oldest(observed.key, FIRST_PREDICTIONS)
        return _of_first(first, len(observed.model.classes))

    def keep(self, observed: ObservedModel, bundles: Sequence[KnownBundle]) -> None:
        """Keep a version's reference for the time when its first predictions are deleted.

        Nothing is kept before it is complete. Raises HistoryUnavailable.
        """
        if observed.reference is None:
            found = self.find(observed, bundles)
            if found.is_complete and found.last_ms is not None:
                self._observations.keep_reference(observed.key, _to_keep(found, found.last_ms))

    def _read(
        self, model: RecordedModel, bundles: Sequence[KnownBundle]
    ) -> HeldOutPredictions | None:
        if model.digest in self._held_out:
            return self._held_out[model.digest]
        bundle = next((one for one in bundles if one.digest == model.digest), None)
        if bundle is None:
            return None
        found = read_held_out(bundle)
        self._held_out[model.digest] = found if found and _is_usable(found) else None
        return self._held_out[model.digest]


def _is_usable(held_out: HeldOutPredictions) -> bool:
    counts = held_out.class_counts.sum(), held_out.confidence_counts.sum()
    is_enough = min(counts) >= LEAST_PREDICTIONS
    return is_enough and len(held_out.confidence_counts) == SHOWN_BINS


def _of_evaluation(held_out: HeldOutPredictions) -> Reference:
    return Reference(
        ReferenceSource.EVALUATION,
        LEAST_PREDICTIONS,
        held_out.class_counts,
        held_out.confidence_counts,
        held_out.mean_confidence,
    )


def _of_kept(kept: KeptReference, classes: int) -> Reference:
    class_counts = np.zeros(max(classes, 1), np.int64)
    for class_id, count in kept.class_counts.items():
        class_counts[min(class_id, len(class_counts) - 1)] += count
    bins = np.array(kept.confidence_counts, np.int64)
    return Reference(
        ReferenceSource.FIRST_PREDICTIONS,
        FIRST_PREDICTIONS,
        class_counts,
        bins,
        kept.mean_confidence,
        kept.last_ms,
    )


def _to_keep(reference: Reference, last_ms: int) -> KeptReference:
    counts = reference.class_counts
    return KeptReference(
        {class_id: int(counts[class_id]) for class_id in np.flatnonzero(counts).tolist()},
        tuple(reference.confidence_counts.tolist()),
        reference.mean_confidence,
        last_ms,
    )


def _of_first(first: Predicted, classes: int) -> Reference:
    classes = max(classes, 1)
    return Reference(
        ReferenceSource.FIRST_PREDICTIONS,
        FIRST_PREDICTIONS,
        count_classes(first.class_ids, classes),
        count_confidences(first.confidences, _FINE_BINS),
        float(first.confidences.mean()) if len(first) else 0.0,
        int(first.at_ms[-1]) if len(first) else None,
    )
