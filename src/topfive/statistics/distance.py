"""How far two distributions of confidences lie apart: the Kolmogorov-Smirnov distance."""

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from topfive.statistics.stability import CHANCE, Counts

# No rule is usual. At this distance one prediction in seven has moved across some confidence.
KS_THRESHOLD = 0.15


def ks_distance(reference: Counts, window: Counts) -> float:
    """Give the largest difference of two cumulative distributions, 0 to 1.

    Takes counts over the same bins in order, (bins,); the distance at their edges is never more
    than that of the samples themselves.
    """
    shares = [np.cumsum(one) / one.sum() for one in (reference, window)]
    gaps: NDArray[np.float64] = np.abs(shares[0] - shares[1])
    return float(gaps.max())


def distance_by_chance(reference: Counts, window: Counts) -> float:
    """Give the distance that two samples of one distribution exceed by chance once in 1000 times.

    Source: N. Smirnov, Table for estimating the goodness of fit of empirical distributions, 1948.
    """
    m, n = float(reference.sum()), float(window.sum())
    return sqrt(-log(CHANCE / 2) / 2 * (m + n) / (m * n))
