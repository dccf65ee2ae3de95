"""Drift: an alarm where predictions change, and none where they do not."""

import numpy as np
import pytest

from tests.unit.service.live.observed import (
    NOON_MS,
    OBSERVED,
    FakeObservations,
    as_predicted,
    draw_predictions,
)
from topfive.service.live.drift import LEAST_PREDICTIONS, WINDOW, measure_day, measure_drift
from topfive.service.live.measures import MeasuredHistory
from topfive.service.live.reference import FIRST_PREDICTIONS, References

# The first of the reference's groups of classes become frequent.
OTHER_MIX = np.where(np.arange(1000) < 200, 0.5 / 200, 0.5 / 800)


def measure(rows):
    """Measure drift as it is after these predictions."""
    return MeasuredHistory(FakeObservations(rows), lambda _: ()).measure_drift(OBSERVED)


def test_the_first_predictions_become_the_reference():
    """Until there are a thousand there is none, and it says how many are still missing."""
    found = measure(draw_predictions(320, seed=1))
    assert (found.is_enough, found.is_alarm) == (False, False)
    assert found.note == "The first 1000 predictions become the reference; so far there are 320."


def test_the_reference_is_not_compared_with_itself():
    """What is compared comes after it, and too little of that is no drift."""
    found = measure(draw_predictions(FIRST_PREDICTIONS + 150, seed=1))
    assert (found.window, found.is_enough) == (150, False)
    assert found.note == (
        "At least 200 predictions are compared with the reference; so far there are 150."
    )


def test_the_window_is_the_newest_predictions():
    """It has its size, and says from when until when it is."""
    rows = draw_predictions(FIRST_PREDICTIONS + 900, seed=1)
    found = measure(rows)
    assert found.window == WINDOW
    assert found.since.timestamp() * 1000 == rows[-WINDOW][0]
    assert found.until.timestamp() * 1000 == rows[-1][0]


def test_twenty_runs_without_a_change_raise_no_alarm():
    """Asked after every 50 predictions, none of 20 runs of 3000 alike predictions alarms."""
    for seed in range(20):
        rows = draw_predictions(3000, seed)
        for end in range(FIRST_PREDICTIONS + LEAST_PREDICTIONS, 3001, 50):
            assert not measure(rows[:end]).is_alarm, (seed, end)


def first_alarm(before, after):
    """Tell after how many changed predictions there is an alarm, in steps of 10."""
    for seen in range(10, len(after) + 1, 10):
        if measure(before + after[:seen]).is_alarm:
            return seen
    return None


def later(rows):
    """Give the time at which further predictions go on."""
    return rows[-1][0] + 1000


@pytest.mark.parametrize("seed", range(5))
def test_another_mix_of_classes_is_noticed_within_a_window(seed):
    """Where a fifth of the classes makes up half of all, it is known before a window has passed."""
    before = draw_predictions(2000, seed)
    after = draw_predictions(WINDOW, seed + 100, OTHER_MIX, since_ms=later(before))
    assert first_alarm(before, after) is not None
    found = measure(before + after)
    assert found.classes.psi.is_alarm
    assert not found.confidences.ks.is_alarm
    assert found.note.startswith("Predicted classes differ from the reference: ")


@pytest.mark.parametrize("seed", range(5))
def test_less_sure_predictions_are_noticed_within_a_window(seed):
    """Blurred photos make a model less sure, and that alone is an alarm."""
    before = draw_predictions(2000, seed)
    after = draw_predictions(WINDOW, seed + 100, sharpness=1.2, since_ms=later(before))
    assert first_alarm(before, after) is not None
    found = measure(before + after)
    assert found.confidences.ks.is_alarm
    assert not found.classes.psi.is_alarm
    assert found.confidences.window_mean < found.confidences.reference_mean
    assert found.note.startswith("Confidences differ from the reference: ")


def test_the_classes_that_changed_most_are_named():
    """Where one class takes a third of all, it is the first of them."""
    shares = np.full(1000, (2 / 3) / 999)
    shares[281] = 1 / 3
    before = draw_predictions(1500, 1)
    after = draw_predictions(WINDOW, 2, shares, since_ms=later(before))
    changed = measure(before + after).classes.changed
    assert changed[0].class_id == 281
    assert changed[0].window == pytest.approx(1 / 3, abs=0.07)
    assert len(changed) == 5


def test_shares_add_up():
    """Groups and bins hold every prediction once."""
    found = measure(draw_predictions(2000, 3))
    groups = found.classes.groups
    assert groups[0].first_class_id == 0
    assert groups[-1].last_class_id == 999
    for shares in (
        [one.reference for one in groups],
        [one.window for one in groups],
        found.confidences.reference,
        found.confidences.window,
    ):
        assert sum(shares) == pytest.approx(1)


def test_a_day_with_few_predictions_is_no_alarm():
    """Its count is told, and no distance."""
    observations = FakeObservations(draw_predictions(1000, 1))
    reference = References(observations).find(OBSERVED, ())
    found = measure_day(reference, NOON_MS // 86_400_000, as_predicted([(NOON_MS, 5, 0.1)] * 20))
    assert (found.predictions, found.psi, found.ks, found.is_alarm) == (20, None, None, False)


def test_nothing_predicted_is_no_drift():
    """An empty history has no reference and no window."""
    reference = References(FakeObservations()).find(OBSERVED, ())
    found = measure_drift(reference, as_predicted([]))
    assert (found.window, found.since, found.is_enough) == (0, None, False)
