"""The population stability index: of groups that mean something, and beyond chance."""

import numpy as np
import pytest
from scipy.stats import chi2

from topfive.statistics.stability import (
    PSI_THRESHOLD,
    add_up,
    group_classes,
    index_by_chance,
    stability_index,
)


def count_draws(shares, count, seed):
    """Draw classes by their shares; give how often each came."""
    return np.random.default_rng(seed).multinomial(count, shares)


def index_between(reference, window):
    """Give the index of two counts of classes over the reference's groups, and that of chance."""
    groups = group_classes(reference)
    grouped = add_up(reference, groups), add_up(window, groups)
    return stability_index(*grouped), index_by_chance(*grouped)


def test_groups_have_about_equal_shares():
    """1000 classes that are equally frequent make 10 groups of 100."""
    groups = group_classes(np.ones(1000, np.int64))
    assert np.bincount(groups).tolist() == [100] * 10


def test_few_classes_have_a_group_each():
    """Ten classes make ten groups."""
    assert group_classes(np.full(10, 100)).tolist() == list(range(10))


def test_a_class_that_is_frequent_is_alone_in_its_group():
    """A class with half of all predictions shares its group with none of 99 others."""
    reference = np.full(100, 10)
    reference[40] = 990
    groups = group_classes(reference)
    assert np.count_nonzero(groups == groups[40]) == 1


def test_every_group_has_a_number_without_gaps():
    """Groups are counted from 0, whatever the shares are."""
    reference = np.zeros(1000, np.int64)
    reference[[3, 500]] = 70, 30
    assert np.unique(group_classes(reference)).tolist() == list(
        range(group_classes(reference).max() + 1)
    )


def test_equal_shares_have_the_index_zero():
    """Also where one side counts more."""
    counts = np.array([10, 20, 70])
    assert stability_index(counts, counts * 100) == pytest.approx(0, abs=0.01)


def test_the_index_is_that_of_the_formula():
    """Shares of 0.5 and 0.5 that become 0.8 and 0.2 have 0.3 ln 4."""
    found = stability_index(np.array([50_000, 50_000]), np.array([80_000, 20_000]))
    assert found == pytest.approx(0.3 * np.log(4), rel=1e-3)


def test_a_class_that_was_never_seen_makes_the_index_large_not_infinite():
    """A window of another class alone is far beyond the threshold."""
    found = stability_index(np.array([1000, 0]), np.array([0, 500]))
    assert 5 < found < 20


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_chance_alone_is_exceeded_about_once_in_a_thousand(classes):
    """Of 2000 pairs of samples of one skewed distribution, at most 10 are beyond chance."""
    shares = 1 / np.arange(1, classes + 1)
    shares /= shares.sum()
    pairs = [
        index_between(count_draws(shares, 1000, seed), count_draws(shares, 500, seed + 10_000))
        for seed in range(2000)
    ]
    assert sum(found > chance for found, chance in pairs) <= 10
    assert max(found for found, _ in pairs) < PSI_THRESHOLD


def test_a_small_window_passes_the_threshold_by_chance_alone():
    """That is why the threshold alone is no alarm: of 30 predictions the index is often 0.2."""
    shares = np.full(1000, 0.001)
    pairs = [
        index_between(count_draws(shares, 1000, seed), count_draws(shares, 30, seed + 10_000))
        for seed in range(200)
    ]
    assert sum(found > PSI_THRESHOLD for found, _ in pairs) > 100
    assert sum(found > chance for found, chance in pairs) <= 2


def test_another_mix_of_classes_is_beyond_both():
    """Where one class in five takes half of the predictions, that is more than chance."""
    before, after = np.full(1000, 0.001), np.full(1000, 0.5 / 800)
    after[:200] = 0.5 / 200
    found, chance = index_between(count_draws(before, 1000, 1), count_draws(after, 500, 2))
    assert found > PSI_THRESHOLD
    assert found > chance


@pytest.mark.parametrize("groups", [2, 3, 10, 20])
def test_the_bound_of_chance_is_that_of_chi_squared(groups):
    """It is within 5% of scipy's quantile."""
    counts = np.full(groups, 100)
    expected = chi2.ppf(0.999, groups - 1) * 2 / (groups * 100)
    assert index_by_chance(counts, counts) == pytest.approx(expected, rel=0.05)
