"""Whether one classifier is better than another, beyond what chance explains."""

from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from topfive.errors import DatasetRefused
from topfive.evaluation.answers import Answers
from topfive.evaluation.proportions import estimate_paired_difference
from topfive.statistics.proportions import Interval, estimate_proportion

SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two classifiers do on the same `count` photos.

    `only_first` and `only_second` count the photos that one alone gets right, `difference` is the
    second's accuracy minus the first's. `p_value` is how likely chance alone makes them differ at
    least so much, were they equally good.
    """

    count: int
    only_first: int
    only_second: int
    first: Interval
    second: Interval
    difference: Interval
    p_value: float

    @property
    def is_better(self) -> bool:
        """Whether the second is better, beyond what chance explains."""
        return self.difference.value > 0 and self.p_value < SIGNIFICANCE

    @property
    def is_worse(self) -> bool:
        """Whether the second is worse, beyond what chance explains."""
        return self.difference.value < 0 and self.p_value < SIGNIFICANCE

    def to_document(self) -> dict[str, Any]:
        """Give all of it as JSON has it."""
        return {
            "photos": self.count,
            "first": self.first.to_document(),
            "second": self.second.to_document(),
            "difference": self.difference.to_document(),
            "only_first_right": self.only_first,
            "only_second_right": self.only_second,
            # A small one is told by its size, which six digits after the point would hide.
            "p_value": float(f"{self.p_value:.3g}"),
            "is_better": self.is_better,
        }


def compare(first: Answers, second: Answers) -> Comparison:
    """Compare two classifiers' answers for the photos that both have, known by their bytes.

    The p value is that of McNemar's test in its exact form: of the photos that one alone gets
    right, each classifier has half where they are equally good (Q. McNemar, Note on the sampling
    error of the difference between correlated proportions or percentages, 1947). Raises
    DatasetRefused where they have no photo in common.
    """
    pairs = pair_answers(first, second)
    count = len(pairs)
    firsts, seconds = first.is_right.tolist(), second.is_right.tolist()
    rights = [(firsts[one], seconds[other]) for one, other in pairs]
    only_first, only_second = rights.count((True, False)), rights.count((False, True))
    both = rights.count((True, True))
    return Comparison(
        count,
        only_first,
        only_second,
        estimate_proportion(both + only_first, count),
        estimate_proportion(both + only_second, count),
        estimate_paired_difference(only_first, only_second, count),
        mcnemar_p_value(only_first, only_second),
    )


def pair_answers(first: Answers, second: Answers) -> list[tuple[int, int]]:
    """List the places of the same photo in both, in the first's order; each picture once.

    Raises DatasetRefused where there is none.
    """
    firsts, seconds = (
        {photo.sha256: place for place, photo in enumerate(one.photos)} for one in (first, second)
    )
    pairs = [(place, seconds[sha256]) for sha256, place in firsts.items() if sha256 in seconds]
    if not pairs:
        raise DatasetRefused("There is no photo that both models have classified.")
    return pairs


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p value for photos that one of two classifiers alone gets right."""
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0
