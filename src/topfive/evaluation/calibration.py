"""Whether a confidence means something: of all answers with 0.8, are 8 in 10 right?"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from topfive.statistics.calibration import BINS, CalibrationBin, bin_answers, error_of_bins

# Far beyond what networks need, which is 0.5 to 5.
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 0.01, 100.0

_Numbers = NDArray[np.float64]


def bin_confidences(
    probabilities: NDArray[np.float32], truths: NDArray[np.int64], bins: int = BINS
) -> tuple[CalibrationBin, ...]:
    """Sort answers, probabilities (n, classes), into bins of equal width by their confidence.

    `truths`, (n,), are the true class ids.
    """
    confidences = probabilities.max(axis=1).astype(np.float64)
    return bin_answers(confidences, probabilities.argmax(axis=1) == truths, bins)


def expected_calibration_error(
    probabilities: NDArray[np.float32], truths: NDArray[np.int64], bins: int = BINS
) -> float:
    """Tell by how much confidence and accuracy differ, on average over all answers: 0 to 1.

    Takes probabilities (n, classes) and the true class ids (n,). Source: C. Guo and others, On
    calibration of modern neural networks, 2017, with its 15 bins.
    """
    return error_of_bins(bin_confidences(probabilities, truths, bins))


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
