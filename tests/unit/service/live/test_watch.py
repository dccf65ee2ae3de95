"""Measuring in the background: by one worker, told once."""

from threading import Event

import pytest
from filelock import FileLock

from tests.unit.service.live.observed import NOON_MS, FakeObservations, draw_predictions
from topfive.errors import HistoryUnavailable
from topfive.service.live.figures import FigureFile
from topfive.service.live.measures import MeasuredHistory
from topfive.service.live.watch import LiveEvents, LiveWatch


class Told:
    """Notes what a watch tells."""

    def __init__(self):
        self.events = []
        self.has_told = Event()

    def note(self, kind):
        """Make what notes one kind of event."""

        def told(_):
            self.events.append(kind)
            self.has_told.set()

        return told

    def links(self):
        """Give them as a watch takes them."""
        return LiveEvents(*(self.note(kind) for kind in ("drift", "over", "failure")))


def watch(observations, path, told, lock=None, every_s=0.01):
    """Make a watch that writes to a file."""
    measures = MeasuredHistory(observations, lambda _: ())
    return LiveWatch(measures, FigureFile(path), told.links(), lock, every_s)


def test_it_writes_what_it_measures(tmp_path):
    """Of every version that is known."""
    watch(FakeObservations(labels=[(NOON_MS, 0.5, 1)]), tmp_path / "live.json", Told()).measure()
    assert [one.labels for one in FigureFile(tmp_path / "live.json").read()] == [1]


def test_a_drift_is_told_once_and_its_end_too(tmp_path):
    """However often it is measured in between."""
    alike, unsure = draw_predictions(1500, 1), draw_predictions(500, 2, sharpness=1.0)
    observations, told = FakeObservations(alike), Told()
    measuring = watch(observations, tmp_path / "live.json", told)
    for further in (0, 500, 500, 0, 0):
        moved = [(at + 10**7, *rest) for at, *rest in unsure[:further]]
        observations.predictions = alike + moved
        measuring.measure()
    assert told.events == ["drift", "over"]


def test_a_failure_is_told_once_until_it_is_over(tmp_path):
    """A database that is away for long does not fill the log."""

    class Away(FakeObservations):
        asked = 0

        def models(self, name=None):
            self.asked += 1
            if self.asked in (1, 2, 4):
                raise HistoryUnavailable
            if self.asked > 4:
                done.set()
            return super().models(name)

    done, told = Event(), Told()
    measuring = watch(Away(), tmp_path / "live.json", told)
    measuring.start()
    assert done.wait(10)
    measuring.stop()
    assert told.events == ["failure", "failure"]


def test_the_others_leave_it_to_the_one_that_measures(tmp_path):
    """While one has the lock, another writes nothing."""
    path = tmp_path / "live.json"
    with FileLock(tmp_path / "lock"):
        other = watch(FakeObservations(), path, Told(), tmp_path / "lock")
        assert other.step() == pytest.approx(5)
        assert not path.exists()
    assert other.step() == pytest.approx(0.01)
    assert path.exists()
    other.stop()
