"""Calibration bins, and which error chance alone makes."""

import numpy as np
import pytest

from topfive.statistics.calibration import bin_answers, error_by_chance, error_of_bins


def honest(count, seed):
    """Draw confidences, and answers that are right as often as these say."""
    draw = np.random.default_rng(seed)
    confidences = draw.uniform(0.2, 1.0, count)
    return confidences, draw.random(count) < confidences


def test_every_confidence_has_one_bin():
    """0 and 1 have one, and an edge belongs to the bin below it."""
    confidences = np.array([0.0, 0.1, 0.5, 0.51, 1.0])
    bins = bin_answers(confidences, np.ones(5, bool), bins=10)
    assert [one.count for one in bins] == [2, 0, 0, 0, 1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("count", [30, 300, 3000])
def test_an_honest_model_exceeds_chance_once_in_twenty(count):
    """Of 400 sets of honest answers, between 1% and 10% show a larger error."""
    sets = [bin_answers(*honest(count, seed)) for seed in range(400)]
    beyond = sum(error_of_bins(bins) > error_by_chance(bins) for bins in sets)
    assert 4 <= beyond <= 40


def test_a_model_that_is_too_sure_is_beyond_chance():
    """Answers at 0.9 of which 6 in 10 are right are so with 100 of them, and not with 3."""
    many = bin_answers(np.full(100, 0.9), np.arange(100) < 60)
    few = bin_answers(np.full(3, 0.9), np.arange(3) < 2)
    assert error_of_bins(many) > error_by_chance(many)
    assert error_of_bins(few) <= error_by_chance(few)


def test_the_same_answers_give_the_same_bound():
    """What is drawn is drawn from the same seed."""
    bins = bin_answers(*honest(50, 1))
    assert error_by_chance(bins) == error_by_chance(bins)
