"""Measuring the versions that a history knows of."""

import pytest

from tests.unit.service.live.observed import (
    MODEL,
    NOON_MS,
    FakeObservations,
    draw_predictions,
)
from topfive.errors import HistoryUnavailable, ModelNotFound, NotFound
from topfive.history.observations import NoObservations, ObservedModel
from topfive.history.records import RecordedModel
from topfive.service.live import measures as measures_module
from topfive.service.live.accuracy import AccuracyQuery
from topfive.service.live.days import DAY_MS
from topfive.service.live.measures import MeasuredHistory, NoLiveMeasures


def measures(observations, bundles=lambda _: ()):
    """Measure a history a day after its first predictions."""
    return MeasuredHistory(observations, bundles, lambda: (NOON_MS + DAY_MS) / 1000)


def two_versions():
    """Two versions of flowers and one of trees."""
    others = [
        RecordedModel("flowers", "2", "b" * 64, ()),
        RecordedModel("trees", "1", "c" * 64, ()),
    ]
    return tuple(ObservedModel(key, one) for key, one in enumerate((MODEL, *others)))


def test_all_versions_of_a_name_are_measured_and_no_others():
    """They come in the history's order."""
    found = measures(FakeObservations(observed=two_versions()))
    told = found.accuracy("flowers", None, AccuracyQuery())
    assert [one.model.version for one in told] == ["1", "2"]
    assert [one.model.version for one in found.drift("flowers", "2")] == ["2"]


@pytest.mark.parametrize(("name", "version"), [("oaks", None), ("flowers", "9"), ("' OR 1", "--")])
def test_what_is_neither_known_nor_was_used_is_not_found(name, version):
    """It is told as such, for both."""
    found = measures(FakeObservations())
    with pytest.raises(ModelNotFound, match="and nothing that it predicted"):
        found.accuracy(name, version, AccuracyQuery())
    with pytest.raises(ModelNotFound):
        found.drift(name, version)


def test_only_the_asked_labels_and_days_count():
    """Older ones are left out."""
    labels = [(NOON_MS - 3 * DAY_MS, 0.5, 0), (NOON_MS, 0.5, 1), (NOON_MS + 1000, 0.5, 1)]
    found = measures(FakeObservations(labels=labels))
    counted = [
        found.accuracy("flowers", None, query)[0].found.labels
        for query in (AccuracyQuery(), AccuracyQuery(labels=1), AccuracyQuery(days=2))
    ]
    assert counted == [3, 1, 2]


def test_drift_is_told_by_day_from_the_reference_on():
    """Days before it ended are part of it; days without predictions are left out."""
    rows = draw_predictions(1300, seed=1)
    rows += draw_predictions(250, seed=2, since_ms=NOON_MS + DAY_MS // 2 + 1000)
    days = measures(FakeObservations(rows)).drift("flowers", None)[0].found.days
    assert [(one.day.day, one.predictions) for one in days] == [(20, 300), (21, 250)]
    assert not any(one.is_alarm for one in days)


def test_a_database_that_is_too_slow_is_left_alone(monkeypatch):
    """Rather than asked for a minute; what to ask for in its place is said."""
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(measures_module, "monotonic", lambda: next(clock))
    found = measures(FakeObservations(draw_predictions(1300, seed=1)))
    with pytest.raises(HistoryUnavailable, match="Ask for one version") as caught:
        found.drift("flowers", None)
    assert caught.value.retry_after_s == 5


def test_where_no_history_is_kept_it_says_how_to_keep_one():
    """Both questions are answered alike."""
    for ask in (
        lambda: NoLiveMeasures().accuracy("flowers", None, AccuracyQuery()),
        lambda: NoLiveMeasures().drift("flowers", None),
        lambda: NoObservations().models(),
    ):
        with pytest.raises(NotFound, match="Set TOPFIVE_HISTORY_URL"):
            ask()
