"""An order is committed when all workers are ready, and dropped when one refuses it."""

from dataclasses import replace

import pytest

from topfive.machine.processes import ProcessId
from topfive.predictions import ModelRef
from topfive.registry.reports import WorkerReport
from topfive.registry.settling import CHANGE_WITHIN_S, count_deaths, is_settled, settle
from topfive.registry.state import Change, DesiredState

TWO = ModelRef("flowers", "2")
STATE = DesiredState(active={"flowers": "1"}).begin(Change(activates=frozenset({TWO})), 100.0)
READY = WorkerReport(ProcessId(1, 1), reached=1)


def test_all_are_waited_for():
    """One worker that is still loading holds the switch back."""
    assert settle(STATE, [READY, replace(READY, reached=0)], 101.0) == STATE
    assert settle(STATE, [READY, READY], 101.0).active == {"flowers": "2"}


def test_nothing_is_committed_without_a_worker():
    """A state that no worker reports about stays as it is."""
    assert settle(STATE, [], 101.0) == STATE


def test_one_refusal_is_enough():
    """The others may be ready: the version that was active stays."""
    refusing = replace(READY, refused={1: "Its golden input disagrees."})
    dropped = settle(STATE, [READY, refusing], 101.0)
    assert (dropped.active, dropped.changes) == ({"flowers": "1"}, ())
    assert dropped.refusals[-1].reason == "Its golden input disagrees."


def test_a_refusal_of_an_earlier_order_does_not_count():
    """The same version may be tried again."""
    former = replace(READY, refused={0: "It was damaged."})
    assert settle(STATE, [former], 101.0).active == {"flowers": "2"}


def test_what_takes_too_long_is_dropped():
    """A worker that hangs does not keep a model busy for ever."""
    slow = replace(READY, reached=0)
    assert settle(STATE, [slow], 100.0 + CHANGE_WITHIN_S).changes
    assert not settle(STATE, [slow], 101.0 + CHANGE_WITHIN_S).changes


@pytest.mark.parametrize(("deaths", "is_dropped"), [(1, False), (2, True)])
def test_the_second_death_while_loading_drops_an_order(deaths, is_dropped):
    """One worker may be killed by chance; two are not."""
    ended = [
        replace(READY, process=ProcessId(pid, 1), reached=0, loading=TWO, seen=1)
        for pid in range(deaths)
    ]
    state = settle(count_deaths(STATE, ended), [replace(READY, reached=0)], 101.0)
    assert (not state.changes) is is_dropped


def test_a_death_before_the_order_does_not_count():
    """A worker that ended when an earlier order loaded the same says nothing about this one."""
    ended = replace(READY, loading=TWO, seen=0)
    assert count_deaths(STATE, [ended]) == STATE


def test_what_had_to_make_room_is_desired_no_more():
    """Else two models that do not fit together would push each other out for ever."""
    state = DesiredState(generation=4, loaded=frozenset({TWO}), active={"birds": "1"})
    evicting = replace(READY, evicted=frozenset({TWO, ModelRef("birds", "1")}))
    after = settle(state, [evicting], 0.0)
    assert (after.generation, after.loaded, after.active) == (5, frozenset(), {})


def test_settled_means_that_all_have_all():
    """A pending order, a worker behind, and one that lacks something each say no."""
    settled = settle(STATE, [READY], 101.0)
    done = replace(READY, reached=settled.generation)
    assert is_settled(settled, [done])
    assert not is_settled(STATE, [done])
    assert not is_settled(settled, [done, READY])
    assert not is_settled(settled, [done, replace(done, missing=frozenset({TWO}))])
