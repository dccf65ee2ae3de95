"""Shares of what was counted, each with the interval that chance leaves open."""

from dataclasses import dataclass
from math import sqrt

CONFIDENCE_LEVEL = 0.95
# So many standard deviations around its mean hold 95% of a normal distribution.
_REACH = 1.959963984540054


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
    """Give the share `right` of `count`, which is at least 1, with its Wilson score interval.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    1927. It stays between 0 and 1, and is wide where few were counted.
    """
    share, square = right / count, _REACH**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = sqrt(share * (1 - share) / count + square / (4 * count**2))
    reach = _REACH * spread / (1 + square / count)
    # What was always or never so has its bound exactly there, which rounding would miss.
    low = 0.0 if right == 0 else middle - reach
    high = 1.0 if right == count else middle + reach
    return Interval(share, low, high)


def rounded(number: float) -> float:
    """Round a number to what a document keeps of it: six digits after the point."""
    return round(float(number), 6)
