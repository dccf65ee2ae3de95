"""Live accuracy: what labels say, and when they are too few to say anything."""

from datetime import date

import pytest

from tests.unit.service.live.observed import (
    NOON_MS,
    as_labelled,
    as_predicted,
    draw_predictions,
)
from topfive.service.live.accuracy import measure_accuracy
from topfive.service.live.days import DAY_MS


def labels(ranks, confidence=0.8, step_ms=1000):
    """Make labelled predictions with these ranks."""
    return as_labelled(
        [(NOON_MS + place * step_ms, confidence, rank) for place, rank in enumerate(ranks)]
    )


def predictions(confidence=0.8, count=100):
    """Make predictions of one confidence."""
    return as_predicted([(NOON_MS + place, 0, confidence) for place in range(count)])


def test_without_labels_nothing_is_measured():
    """It says so."""
    found = measure_accuracy(labels([]), predictions())
    assert (found.labels, found.measured, found.is_enough) == (0, None, False)
    assert found.note == "Nothing is labelled yet."


def test_three_labels_are_too_few_and_it_is_said():
    """Their interval is there, wide, and a sentence says that they are too few."""
    found = measure_accuracy(labels([1, 1, 1]), predictions())
    assert found.measured.top1.low < 0.5
    assert not found.is_enough
    assert found.note == "3 labelled predictions are too few to tell: 30 are needed."


def test_one_label_is_told_as_one():
    """The sentence is a sentence."""
    assert measure_accuracy(labels([1]), predictions()).note.startswith("1 labelled prediction is")


def test_ranks_say_what_is_right():
    """A first place is right for both, a third for the five, none for neither."""
    found = measure_accuracy(labels([1] * 20 + [3] * 5 + [0] * 5), predictions()).measured
    assert found.top1.value == pytest.approx(20 / 30)
    assert found.top5.value == pytest.approx(25 / 30)
    assert found.top1.low < 20 / 30 < found.top1.high


def test_thirty_labels_that_are_like_all_predictions_need_no_note():
    """The numbers speak for themselves."""
    found = measure_accuracy(labels([1] * 24 + [0] * 6), predictions())
    assert (found.is_enough, found.note) == (True, None)


@pytest.mark.parametrize(("confidence", "how"), [(0.3, "less"), (0.99, "more")])
def test_labels_of_unlike_predictions_are_told_as_such(confidence, how):
    """Who labels the least sure first learns how these do, and not how all do."""
    found = measure_accuracy(labels([1] * 40, confidence), predictions(0.8, 200))
    assert not found.measured.sampling.is_representative
    assert f"are {how} sure than all are" in found.note


def test_a_random_part_is_representative():
    """Every third prediction stands for all."""
    rows = draw_predictions(600, seed=1)
    chosen = as_labelled([(at, confidence, 1) for at, _, confidence in rows[::3]])
    assert measure_accuracy(chosen, as_predicted(rows)).measured.sampling.is_representative


def test_confidences_that_promise_too_much_are_off():
    """Predictions at 0.95 of which half are right are not calibrated; the same few could be."""
    many = measure_accuracy(labels([1, 2] * 50, 0.95), predictions(0.95)).measured
    few = measure_accuracy(labels([1, 2] * 5, 0.95), predictions(0.95)).measured
    assert many.calibration.error == pytest.approx(0.45)
    assert (many.calibration.is_off, few.calibration.is_off) == (True, False)
    assert measure_accuracy(labels([1, 2] * 50, 0.95), predictions(0.95)).note == (
        "Confidences are off by 0.45 on average, beyond chance: their mean is 0.95, and 0.50 of "
        "the labelled predictions are right."
    )


def test_days_are_those_of_the_predictions_in_utc():
    """Two days and a day without labels make two entries, oldest first."""
    rows = [(NOON_MS, 0.8, 1), (NOON_MS + 1, 0.8, 0), (NOON_MS + 2 * DAY_MS, 0.8, 1)]
    found = measure_accuracy(as_labelled(rows[::-1]), predictions()).measured
    assert [(one.day, one.labels, one.top1.value) for one in found.days] == [
        (date(2026, 11, 20), 2, 0.5),
        (date(2026, 11, 22), 1, 1.0),
    ]
