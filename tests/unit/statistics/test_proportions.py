"""Shares and their intervals, held against scipy's."""

import pytest
from scipy.stats import binomtest

from topfive.statistics.proportions import estimate_proportion


@pytest.mark.parametrize(
    ("right", "count"), [(0, 1), (1, 1), (0, 30), (30, 30), (2, 3), (24, 30), (812, 1000)]
)
def test_the_interval_is_wilsons(right, count):
    """It is the one that scipy computes."""
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    found = estimate_proportion(right, count)
    assert found.value == right / count
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_three_right_labels_do_not_look_like_truth():
    """Three of three leave open that less than half is right."""
    found = estimate_proportion(3, 3)
    assert found.low < 0.5
    assert found.high == 1
