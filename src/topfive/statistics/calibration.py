"""Whether a confidence means something: of all answers with 0.8, are 8 in 10 right?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
# How often a perfectly calibrated model may show more than `error_by_chance`.
CHANCE = 0.05
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The answers whose confidence lies above `low` and not above `high`.

    `confidence` is their mean confidence and `accuracy` the share of them that is right; both are
    0 where `count` is.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def place_in_bins(confidences: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Tell for confidences (n,), 0 to 1, in which of some bins of equal width each lies: (n,)."""
    places: NDArray[np.int64] = np.clip(
        np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1
    )
    return places


def bin_answers(
    confidences: NDArray[np.float64], is_right: NDArray[np.bool_], bins: int = BINS
) -> tuple[CalibrationBin, ...]:
    """Sort answers, confidences (n,) and whether each is right (n,), into bins of equal width."""
    places = place_in_bins(confidences, bins)
    counts, sure, right = (
        np.bincount(places, weights, minlength=bins) for weights in (None, confidences, is_right)
    )
    divisors = np.maximum(counts, 1)
    return tuple(
        CalibrationBin(place / bins, (place + 1) / bins, int(count), float(mean), float(share))
        for place, (count, mean, share) in enumerate(
            zip(counts, sure / divisors, right / divisors, strict=True)
        )
    )


def error_of_bins(bins: tuple[CalibrationBin, ...]) -> float:
    """Tell the expected calibration error of answers that are sorted into bins: 0 to 1.

    It is by how much confidence and accuracy differ, on average over all answers. Source: C. Guo
    and others, On calibration of modern neural networks, 2017, with its 15 bins.
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / total


def error_by_chance(bins: tuple[CalibrationBin, ...]) -> float:
    """Tell which error a perfectly calibrated model shows by chance alone, in 19 of 20 cases.

    It is drawn: so often as the confidences of each bin say, its answers are right. With few
    answers it is large, since the error is never negative. The same bins give the same number.
    """
    filled = [one for one in bins if one.count]
    counts = np.array([one.count for one in filled])
    sure = np.array([min(one.confidence, 1.0) for one in filled])
    right = np.random.default_rng(0).binomial(counts, sure, (_DRAWS, len(filled)))
    errors = np.abs(right - counts * sure).sum(axis=1) / counts.sum()
    return float(np.quantile(errors, 1 - CHANCE))
