"""The Kolmogorov-Smirnov distance, held against scipy's."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from topfive.statistics.calibration import place_in_bins
from topfive.statistics.distance import KS_THRESHOLD, distance_by_chance, ks_distance

BINS = 100


def count_bins(confidences):
    """Count confidences over bins of equal width."""
    return np.bincount(place_in_bins(confidences, BINS), minlength=BINS)


def draw_pair(seed, sharpness=4.0):
    """Draw 1000 and 500 confidences, as a model that is mostly sure has them."""
    draw = np.random.default_rng(seed)
    return draw.beta(4, 1, 1000), draw.beta(sharpness, 1, 500)


def test_the_distance_is_scipys_at_the_edges():
    """Of confidences that lie on edges it is the one between the samples."""
    first, second = (np.ceil(one * BINS) / BINS for one in draw_pair(1, 2.0))
    expected = ks_2samp(first, second).statistic
    assert ks_distance(count_bins(first), count_bins(second)) == pytest.approx(expected)


def test_the_distance_is_never_more_than_that_of_the_samples():
    """Bins leave something out and add nothing."""
    first, second = draw_pair(2)
    expected = ks_2samp(first, second).statistic
    assert ks_distance(count_bins(first), count_bins(second)) <= expected


def test_chance_alone_is_exceeded_about_once_in_a_thousand():
    """Of 2000 pairs of samples of one distribution, at most 10 are beyond chance."""
    pairs = [tuple(map(count_bins, draw_pair(seed))) for seed in range(2000)]
    beyond = [ks_distance(*pair) > distance_by_chance(*pair) for pair in pairs]
    assert sum(beyond) <= 10


def test_less_sure_answers_are_beyond_chance_and_threshold():
    """Where sure answers become rare, that is seen."""
    first, second = map(count_bins, draw_pair(3, 1.5))
    found = ks_distance(first, second)
    assert found > KS_THRESHOLD
    assert found > distance_by_chance(first, second)
