"""A worker goes on following whatever happens, until it is stopped."""

from threading import Event

from tests.unit.registry.workers import Machine
from topfive.predictions import ModelRef
from topfive.registry import following
from topfive.registry.following import Following
from topfive.registry.state import Change


def test_an_order_is_carried_out_by_the_thread(monkeypatch):
    """Nobody calls the follower; when it stops its report goes."""
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)
    machine = Machine(1)
    worker = machine.workers[0]
    is_switched = Event()
    follow = worker.models.follow

    def note(state):
        follow(state)
        if worker.models.active["flowers"] == "2":
            is_switched.set()

    worker.models.follow = note
    thread = Following(worker.follower, on_unforeseen=lambda error: None)
    thread.start()
    machine.order(Change(activates=frozenset({ModelRef("flowers", "2")})))
    assert is_switched.wait(10)
    thread.stop()
    thread._thread.join(10)
    assert machine.reports.reports == {}


def test_an_unforeseen_error_is_told_and_does_not_end_it(monkeypatch):
    """The next turn may go better."""
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)
    worker = Machine(1).workers[0]
    told, is_told_twice = [], Event()

    def fail():
        raise OSError(28, "No space left on device")

    def note(error):
        told.append(error)
        if len(told) == 2:
            is_told_twice.set()

    monkeypatch.setattr(worker.follower, "step", fail)
    thread = Following(worker.follower, on_unforeseen=note)
    thread.start()
    assert is_told_twice.wait(10)
    thread.stop()
    thread._thread.join(10)
    assert str(told[0]) == "[Errno 28] No space left on device"


def test_a_worker_that_is_about_to_end_follows_no_more():
    """Others need not wait for it while it answers what it has begun."""
    machine = Machine(1)
    worker = machine.workers[0]
    thread = Following(worker.follower, on_unforeseen=lambda error: None, is_over=lambda: True)
    thread.start()
    thread._thread.join(10)
    assert machine.reports.reports == {}
