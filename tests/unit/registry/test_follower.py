"""Workers load beside what serves, switch together, and keep the old version if one cannot."""

import pytest

from tests.unit.registry.workers import Machine
from topfive.errors import ModelBusy, StateUnavailable
from topfive.models import RouteView, TargetView
from topfive.predictions import ModelRef
from topfive.registry import follower as module
from topfive.registry.state import Change, DesiredState

ONE, TWO, THREE = (ModelRef("flowers", version) for version in "123")
BIRDS = ModelRef("birds", "1")


def activation(ref):
    """Make an order that activates one version."""
    return Change(activates=frozenset({ref}))


def test_a_swap_reaches_all_workers_and_the_old_version_goes():
    """Each has the new version ready before any switches."""
    machine = Machine(3)
    machine.run(1)
    machine.order(activation(TWO))
    first = machine.workers[0]
    first.follower.step()
    assert first.models.ready() == {ONE, TWO}
    assert machine.versions == ["1", "1", "1"]
    machine.run()
    assert machine.versions == ["2", "2", "2"]
    assert all(worker.models.ready() == {TWO} for worker in machine.workers)
    assert machine.is_settled


def test_one_worker_that_refuses_keeps_all_on_the_old_version():
    """What the others have loaded goes again, and the reason is kept."""
    machine = Machine(2)
    machine.workers[1].models.refuses[TWO] = "Its golden input disagrees."
    begun = machine.order(activation(TWO))
    machine.run()
    assert machine.versions == ["1", "1"]
    assert all(worker.models.ready() == {ONE} for worker in machine.workers)
    refusal = machine.store.state.refusal_of(begun.generation)
    assert refusal is not None
    assert refusal.reason == "Its golden input disagrees."
    assert machine.refused == [(TWO, "Its golden input disagrees.")]
    assert machine.is_settled


def test_what_was_refused_can_be_ordered_again():
    """A bundle that was mended is tried anew."""
    machine = Machine(2)
    machine.workers[0].models.refuses[TWO] = "It is damaged."
    machine.order(activation(TWO))
    machine.run()
    machine.workers[0].models.refuses.clear()
    machine.order(activation(TWO))
    machine.run()
    assert machine.versions == ["2", "2"]


def test_a_second_swap_meanwhile_is_refused():
    """The first goes on."""
    machine = Machine(2)
    machine.order(activation(TWO))
    with pytest.raises(ModelBusy):
        machine.order(activation(THREE))
    machine.run()
    assert machine.versions == ["2", "2"]


def test_one_worker_loads_at_a_time():
    """While another loads, a worker serves undisturbed and reports nothing as reached."""
    machine = Machine(2)
    machine.order(activation(TWO))
    with machine._loading_lock():
        machine.run(2)
        assert all(worker.models.ready() == {ONE} for worker in machine.workers)
        assert not machine.is_settled
    machine.run()
    assert machine.versions == ["2", "2"]


def test_what_was_dropped_while_a_worker_waited_its_turn_is_not_loaded():
    """It would be work for nothing."""
    machine = Machine(2)
    first, second = machine.workers
    first.models.refuses[TWO] = "It is damaged."
    machine.order(activation(TWO))
    second.follower.look()
    first.follower.step()
    second.follower.load_next()
    assert second.models.ready() == {ONE}


def test_a_worker_that_dies_in_a_swap_does_not_stop_it():
    """The worker in its place loads too, and then all switch."""
    machine = Machine(2)
    machine.run(1)
    machine.order(activation(TWO))
    assert machine.kill_while_loading(machine.workers[0])
    machine.start_worker()
    machine.run()
    assert machine.versions == ["2", "2"]
    assert machine.is_settled


def test_an_order_that_ends_worker_after_worker_is_given_up():
    """The old version goes on being served by those that come in their place."""
    machine = Machine(2)
    machine.order(activation(TWO))
    for _ in range(2):
        assert machine.kill_while_loading(machine.workers[0])
        machine.start_worker()
    machine.run()
    assert machine.versions == ["1", "1"]
    assert "Workers ended" in machine.store.state.refusals[-1].reason


def test_a_worker_that_starts_is_waited_for():
    """Until it has loaded what it starts with, nobody knows whether it can take the new version."""
    machine = Machine(2)
    machine.run(1)
    newcomer = machine.start_worker()
    machine.workers.remove(newcomer)
    machine.order(activation(TWO))
    machine.run()
    assert machine.versions == ["1", "1"]
    machine.workers.append(newcomer)
    machine.run()
    assert machine.versions == ["2", "2", "2"]


def test_what_a_late_worker_lacks_is_tried_again(monkeypatch):
    """It is not settled until then, and it does not stop other orders."""
    machine = Machine(1)
    machine.order(activation(TWO))
    machine.run()
    late = machine.start_worker(refuses={TWO: "There is no memory for it."})
    machine.run()
    assert not machine.is_settled
    assert machine.reports.live()[1].missing == {TWO}
    late.models.refuses.clear()
    machine.run()
    assert late.models.active.get("flowers") is None, "it was tried again too soon"
    monkeypatch.setattr(module, "monotonic", lambda: 1e12)
    machine.run()
    assert machine.versions == ["2", "2"]
    assert machine.is_settled


def test_a_worker_begins_with_what_the_others_have():
    """It is settled before it serves, and an order under way does not hold up its start."""
    machine = Machine(1)
    machine.order(Change(keeps=frozenset({TWO})))
    machine.run()
    machine.order(activation(BIRDS))
    newcomer = machine.start_worker()
    newcomer.follower.begin()
    assert newcomer.models.ready() == {ONE, TWO}


def test_a_loaded_version_stays_until_it_is_unloaded():
    """Loading does not change what is active."""
    machine = Machine(2)
    machine.order(Change(keeps=frozenset({TWO})))
    machine.run()
    assert machine.versions == ["1", "1"]
    assert all(worker.models.ready() == {ONE, TWO} for worker in machine.workers)
    machine.unload(TWO)
    machine.run()
    assert all(worker.models.ready() == {ONE} for worker in machine.workers)


def test_a_route_is_taken_when_its_targets_are_ready():
    """No request is sent to a version that is still being loaded."""
    machine = Machine(2)
    route = RouteView((TargetView("flowers", "1", 90), TargetView("flowers", "2", 10)))
    machine.order(Change(routes={"default": route}))
    machine.workers[0].follower.step()
    assert machine.workers[0].models.routes == {}
    machine.run()
    assert all(worker.models.routes == {"default": route} for worker in machine.workers)
    assert all(worker.models.ready() == {ONE, TWO} for worker in machine.workers)


def test_models_that_do_not_fit_together_do_not_push_each_other_out():
    """What had to make room is no longer desired, anywhere."""
    machine = Machine(2, room=2)
    machine.order(Change(keeps=frozenset({TWO})))
    machine.run()
    machine.order(activation(BIRDS))
    machine.run()
    assert all(worker.models.ready() == {ONE, BIRDS} for worker in machine.workers)
    assert machine.store.state.loaded == frozenset()
    assert machine.is_settled


def test_what_had_to_make_room_for_another_order_is_refused():
    """Both cannot be had, and the one that lost is told so."""
    machine = Machine(1, room=2)
    first = machine.order(Change(keeps=frozenset({BIRDS})))
    machine.order(activation(TWO))
    machine.run()
    assert machine.versions == ["2"]
    refusal = machine.store.state.refusal_of(first.generation)
    assert refusal is not None or BIRDS in machine.workers[0].models.ready()
    assert machine.is_settled


def test_a_store_that_has_lost_the_state_gets_it_back():
    """Generations only grow, and no worker goes back to an older version."""
    machine = Machine(2)
    machine.order(activation(TWO))
    machine.run()
    before = machine.store.state
    machine.store.state = DesiredState()
    machine.run(1)
    assert machine.store.state == before
    assert machine.versions == ["2", "2"]


def test_an_outage_of_the_store_is_told_once_and_serving_goes_on(monkeypatch):
    """Its end is told too."""
    machine = Machine(1)
    told = []
    worker = machine.workers[0]
    worker.follower._events = module.FollowerEvents(
        lambda error: told.append(str(error)), lambda: told.append("back"), lambda *_: None
    )

    def fail(*_):
        raise StateUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(machine.store, "read", fail)
        machine.run(3)
    machine.run(2)
    assert told == ["away", "back"]
    assert machine.versions == ["1"]


def test_a_worker_that_cannot_tell_the_others_how_it_stands_starts_and_serves(monkeypatch):
    """It is told once, until its report is there; an order that waits for it goes on then."""
    told = []
    machine = Machine(1)
    with monkeypatch.context() as patch:
        patch.setattr(machine.reports, "write", _away)
        patch.setattr(machine.reports, "live", _away)
        patch.setattr(machine.reports, "withdraw", _away)
        worker = machine.start_worker()
        worker.follower._events = module.FollowerEvents(
            lambda error: told.append(str(error)), lambda: told.append("back"), lambda *_: None
        )
        machine.order(activation(TWO))
        machine.run(3)
        worker.follower.withdraw()
    assert machine.versions == ["1", "1"]
    machine.run()
    assert machine.versions == ["2", "2"]
    assert told == ["back"]


def _away(*_):
    raise StateUnavailable("away")


def test_a_worker_that_ends_takes_its_report_away():
    """Those that go on do not wait for it."""
    machine = Machine(2)
    machine.run(1)
    leaving = machine.workers.pop()
    leaving.follower.withdraw()
    machine.order(activation(TWO))
    machine.run()
    assert machine.versions == ["2"]
