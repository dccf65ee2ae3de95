"""By how much two shares of the same photos differ, with the interval that chance leaves open."""

import numpy as np
from scipy.stats import norm

from topfive.statistics.proportions import CONFIDENCE_LEVEL, Interval


def estimate_paired_difference(only_first: int, only_second: int, count: int) -> Interval:
    """Give the second's share minus the first's, of `count` pairs, with its interval.

    `only_first` and `only_second` count the pairs where one alone is right. Source: D. G. Bonett
    and R. M. Price, Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, 2012.
    """
    first, second = (only_first + 1) / (count + 2), (only_second + 1) / (count + 2)
    middle = second - first
    error = float(np.sqrt((first + second - middle**2) / (count + 2)))
    reach = float(norm.ppf((1 + CONFIDENCE_LEVEL) / 2)) * error
    return Interval(
        (only_second - only_first) / count, max(middle - reach, -1.0), min(middle + reach, 1.0)
    )
