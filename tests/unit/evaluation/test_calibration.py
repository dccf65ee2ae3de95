"""Expected calibration error and the temperature that lowers it."""

import numpy as np
import pytest
from scipy.special import softmax

from tests.unit.evaluation.answer_sets import answer
from topfive.evaluation.calibration import (
    bin_confidences,
    expected_calibration_error,
    fit_temperature,
)


def drawn(temperature, count=20_000, classes=5):
    """Draw true logits and classes that come as often as they say; give the logits too sharp."""
    draw = np.random.default_rng(7)
    honest = draw.normal(0, 2, (count, classes)).astype(np.float32)
    chances = softmax(honest, axis=1).cumsum(axis=1)
    truths = (draw.random((count, 1)) > chances).sum(axis=1).clip(0, classes - 1)
    return honest * np.float32(temperature), truths


def test_the_error_is_how_far_confidence_and_accuracy_lie_apart():
    """Ten answers at 0.9 of which six are right are 0.3 too sure."""
    made = answer([0] * 10, [0] * 6 + [1] * 4, [0.9] * 10)
    error = expected_calibration_error(made.probabilities, made.truths)
    assert error == pytest.approx(0.3, abs=1e-6)


def test_bins_are_weighed_by_their_answers():
    """Eight answers 0.1 too sure and two that are 0.6 too unsure make 0.2."""
    made = answer([0] * 10, [0] * 4 + [1] * 4 + [0] * 2, [0.6] * 8 + [0.4] * 2)
    error = expected_calibration_error(made.probabilities, made.truths)
    assert error == pytest.approx(0.8 * 0.1 + 0.2 * 0.6, abs=1e-6)


def test_a_confidence_of_one_has_a_bin():
    """The last bin takes 1, and nothing falls between two."""
    made = answer([0, 0, 1], [0, 0, 1], [1.0, 0.5, 0.34])
    bins = bin_confidences(made.probabilities, made.truths, bins=10)
    assert [one.count for one in bins] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 1]
    assert (bins[4].low, bins[4].high, bins[4].confidence) == (0.4, 0.5, 0.5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    """Logits that are too large or too small by a factor are divided by that factor."""
    logits, truths = drawn(temperature)
    assert fit_temperature(logits, truths) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_lowers_the_calibration_error():
    """What is three times too sharp is nearly right once it is divided."""
    logits, truths = drawn(3.0)
    found = fit_temperature(logits, truths)
    before, after = (
        expected_calibration_error(softmax(logits / divisor, axis=1), truths)
        for divisor in (1, found)
    )
    assert before > 0.1
    assert after < 0.02


def test_few_photos_that_are_all_right_do_not_make_certain():
    """Twenty right answers never show more than 21 of 22, however large the logits are."""
    logits = np.array([[8.0, 0.0, -3.0]] * 20, np.float32)
    found = fit_temperature(logits, np.zeros(20, np.int64))
    assert softmax(logits / found, axis=1)[0, 0] == pytest.approx(21 / 22, abs=0.01)


def test_a_temperature_changes_no_order():
    """It is positive, whatever the answers are."""
    logits = np.array([[5.0, 1.0], [4.0, 2.0]], np.float32)
    assert fit_temperature(logits, np.array([1, 1])) > 0
