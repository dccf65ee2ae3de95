"""Whether a confidence means something: of all answers with 0.8, are 8 in 10 right?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15
# Far beyond what networks need, which is 0.5 to 5.
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 0.01, 100.0

_Numbers = NDArray[np.float64]


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


def bin_confidences(
    probabilities: NDArray[np.float32], truths: NDArray[np.int64], bins: int = BINS
) -> tuple[CalibrationBin, ...]:
    """Sort answers, probabilities (n, classes), into bins of equal width by their confidence.

    `truths`, (n,), are the true class ids.
    """
    confidences = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == truths
    places = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
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


def expected_calibration_error(
    probabilities: NDArray[np.float32], truths: NDArray[np.int64], bins: int = BINS
) -> float:
    """Tell by how much confidence and accuracy differ, on average over all answers: 0 to 1.

    Takes probabilities (n, classes) and the true class ids (n,). Source: C. Guo and others, On
    calibration of modern neural networks, 2017, with its 15 bins.
    """
    return error_of_bins(bin_confidences(probabilities, truths, bins))


def error_of_bins(bins: tuple[CalibrationBin, ...]) -> float:
    """Tell the expected calibration error of answers that are sorted into bins."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / total


def fit_temperature(logits: NDArray[np.float32], truths: NDArray[np.int64]) -> float:
    """Find the number to divide logits (n, classes) by that makes their confidences mean most.

    It minimises the negative log likelihood of the true classes (n,), as Guo and others do. Where
    all answers are right, that alone would make every confidence 1; so each photo counts as one
    part in n + 2 for the best of its wrong classes, as Platt's targets do (J. Platt, Probabilistic
    outputs for support vector machines, 1999): n photos never show more than (n + 1) / (n + 2).
    """
    exact = logits.astype(np.float64)
    doubt = 1 / (len(truths) + 2)

    def loss(log_temperature: float) -> float:
        scores = log_softmax(exact / np.exp(log_temperature), axis=1)
        true, best_wrong = _true_and_best_wrong(scores, truths)
        return -float(np.mean((1 - doubt) * true + doubt * best_wrong))

    bounds = (np.log(_LEAST_TEMPERATURE), np.log(_MOST_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def _true_and_best_wrong(scores: _Numbers, truths: NDArray[np.int64]) -> tuple[_Numbers, _Numbers]:
    """Take the true class's number of each row, (n,), and the largest of the others', (n,)."""
    rows = np.arange(len(truths))
    others = scores.copy()
    others[rows, truths] = -np.inf
    # A model of one class has no other.
    return scores[rows, truths], np.maximum(others.max(axis=1), -1e9)
