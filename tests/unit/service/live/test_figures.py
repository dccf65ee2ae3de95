"""What metrics are told, and how workers share it."""

import pytest

from tests.unit.service.live.observed import NOON_MS, FakeObservations, draw_predictions
from topfive.predictions import ModelRef
from topfive.service.live.figures import FigureFile, NoFigures, measure_figures
from topfive.service.live.measures import MeasuredHistory
from topfive.statistics.proportions import Interval
from topfive.telemetry.metrics import LiveFigures

FIGURES = LiveFigures(
    ModelRef("flowers", "1"),
    412,
    {1: Interval(0.8, 0.7, 0.9), 5: Interval(0.9, 0.8, 0.95)},
    calibration_error=0.04,
    psi=0.1,
    ks=0.05,
    is_drifting=False,
)


def measure(observations):
    """Measure the one version."""
    return measure_figures(MeasuredHistory(observations, lambda _: ()), observations.observed[0])


def test_three_labels_are_counted_and_make_no_accuracy():
    """Nobody can take them for truth."""
    found = measure(FakeObservations(labels=[(NOON_MS, 0.9, 1)] * 3))
    assert found == LiveFigures(ModelRef("flowers", "1"), 3)


def test_thirty_labels_make_an_accuracy_with_its_interval():
    """For the first class and the first five."""
    found = measure(FakeObservations(labels=[(NOON_MS, 0.9, 1)] * 24 + [(NOON_MS, 0.9, 2)] * 6))
    assert found.accuracy[1].value == pytest.approx(0.8)
    assert found.accuracy[5].value == 1
    assert found.calibration_error == pytest.approx(0.1)


def test_enough_predictions_make_distances():
    """And say whether that is an alarm."""
    found = measure(FakeObservations(draw_predictions(1500, seed=1)))
    assert found.psi < 0.2
    assert found.ks < 0.15
    assert found.is_drifting is False


def test_workers_find_what_one_of_them_has_written(tmp_path):
    """It is the same."""
    FigureFile(tmp_path / "live.json").write((FIGURES,))
    assert FigureFile(tmp_path / "live.json").read() == (FIGURES,)


def test_what_is_old_is_told_no_more(tmp_path):
    """Where nobody has measured for ten minutes, nothing is known."""
    FigureFile(tmp_path / "live.json", lambda: 1000.0).write((FIGURES,))
    assert FigureFile(tmp_path / "live.json", lambda: 1500.0).read() == (FIGURES,)
    assert FigureFile(tmp_path / "live.json", lambda: 1601.0).read() == ()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"at": 1e99, "figures": [{}]}'])
def test_a_damaged_file_says_nothing(tmp_path, content):
    """And breaks no scrape."""
    (tmp_path / "live.json").write_text(content)
    assert FigureFile(tmp_path / "live.json").read() == ()


def test_without_a_history_there_are_none():
    """Whatever is written."""
    NoFigures().write((FIGURES,))
    assert NoFigures().read() == ()
