"""Shares of what was counted, each with the interval that chance leaves open."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A number, and the 95% interval around it: what more photos of the same kind may show."""

    value: float
    low: float
    high: float

    def to_document(self) -> dict[str, float]:
        """Give it as JSON has it."""
        return {name: rounded(getattr(self, name)) for name in ("value", "low", "high")}


def estimate_proportion(right: int, count: int) -> Interval:
    """Give the share `right` of `count` with its Wilson score interval.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    1927. It stays between 0 and 1, and is wide where few were counted.
    """
    low, high = binomtest(right, count).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return Interval(right / count, float(low), float(high))


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


def rounded(number: float) -> float:
    """Round a number to what a document keeps of it: six digits after the point."""
    return round(float(number), 6)
