"""Every order makes a state of a higher generation, and there is one at a time about a model."""

from datetime import UTC, datetime

import pytest

from topfive.errors import ModelBusy, StateUnavailable
from topfive.models import RollbackView, RouteView, ShadowView, TargetView
from topfive.predictions import ModelRef
from topfive.registry.state import (
    Change,
    DesiredState,
    format_state,
    parse_state,
    routed_versions,
)

ONE, TWO = ModelRef("flowers", "1"), ModelRef("flowers", "2")
BIRDS = ModelRef("birds", "1")
HALVES = RouteView((TargetView("flowers", "1", 50), TargetView("flowers", "2", 50)))


def activation(*refs):
    """Make an order that activates versions."""
    return Change(activates=frozenset(refs))


def test_an_activation_takes_effect_when_it_is_committed():
    """Until then the active version is as it was."""
    begun = DesiredState().begin(activation(TWO), 100.0)
    assert (begun.generation, begun.active, begun.wanted) == (1, {}, {TWO})
    committed = begun.commit(begun.changes[0])
    assert (committed.generation, committed.active, committed.changes) == (2, {"flowers": "2"}, ())
    assert committed.kept == {TWO}


def test_a_loaded_version_stays_wanted_until_it_is_given_up():
    """Loading keeps a version beside the active one."""
    begun = DesiredState().begin(Change(keeps=frozenset({TWO})), 0.0)
    loaded = begun.commit(begun.changes[0])
    assert (loaded.loaded, loaded.active) == ({TWO}, {})
    assert loaded.forget(frozenset({TWO})).wanted == frozenset()


def test_the_former_active_version_is_wanted_no_more():
    """Of two activations the later one counts."""
    state = DesiredState()
    for ref in (TWO, ONE):
        state = state.begin(activation(ref), 0.0)
        state = state.commit(state.changes[0])
    assert state.wanted == {ONE}


def test_two_changes_of_one_model_are_refused():
    """The second is told that it comes too early, and nothing changes."""
    begun = DesiredState().begin(activation(TWO), 0.0)
    with pytest.raises(ModelBusy, match="model flowers is under way"):
        begun.begin(activation(ONE), 0.0)
    with pytest.raises(ModelBusy, match="model flowers is under way"):
        begun.begin(Change(routes={"default": HALVES}), 0.0)
    assert begun.begin(activation(BIRDS), 0.0).wanted == {TWO, BIRDS}


def test_two_changes_of_one_route_are_refused():
    """Also where they are about different models."""
    begun = DesiredState().begin(Change(routes={"default": HALVES}), 0.0)
    other = Change(routes={"default": RouteView((TargetView("birds", "1", 1),))})
    with pytest.raises(ModelBusy, match="route default is under way"):
        begun.begin(other, 0.0)


def test_a_dropped_order_leaves_its_reason():
    """What was active stays, and whoever waits finds why."""
    begun = DesiredState(active={"flowers": "1"}).begin(activation(TWO), 0.0)
    dropped = begun.drop(begun.changes[0], "It is damaged.")
    assert (dropped.generation, dropped.active, dropped.changes) == (2, {"flowers": "1"}, ())
    refusal = dropped.refusal_of(1)
    assert refusal is not None
    assert refusal.reason == "It is damaged."
    assert dropped.refusal_of(2) is None


def test_only_the_last_refusals_are_remembered():
    """The state does not grow without end."""
    state = DesiredState()
    for _ in range(40):
        state = state.begin(activation(TWO), 0.0)
        state = state.drop(state.changes[0], "no")
    assert len(state.refusals) == 16
    assert state.refusal_of(79) is not None


def test_routes_name_the_versions_of_targets_with_a_weight_and_of_the_shadow():
    """A target of weight 0 gets no request, and need not be loaded."""
    route = RouteView(
        (
            TargetView("flowers", "1", 9),
            TargetView("flowers", "2", 0),
            TargetView("birds", None, 1),
        ),
        ShadowView("flowers", "3"),
    )
    assert routed_versions({"default": route}) == {ONE, ModelRef("flowers", "3")}


def test_a_death_is_counted_once():
    """Several workers may see that one has ended."""
    state = DesiredState().begin(activation(TWO), 0.0)
    for _ in range(2):
        state = state.note_death(state.changes[0], "17-200")
    assert state.changes[0].deaths == {"17-200"}
    assert state.generation == 2


def test_a_state_is_the_same_after_it_was_written_and_read():
    """Nothing is lost on the way through JSON."""
    gone = RollbackView("flowers", "2", "Its error rate.", datetime(2026, 1, 2, tzinfo=UTC))
    state = DesiredState(
        loaded=frozenset({BIRDS}),
        active={"flowers": "1"},
        routes={"default": RouteView(HALVES.targets, ShadowView("birds", None), (gone,))},
    ).begin(activation(TWO), 12.5)
    state = state.drop(state.begin(activation(BIRDS), 13.0).changes[1], "no")
    assert parse_state(format_state(state), "here") == state


def test_a_file_that_is_no_state_says_what_to_do():
    """Where it lies, what is wrong with it, and that it can be deleted."""
    with pytest.raises(StateUnavailable, match=r"^/models/\.state\.json does not .* Delete it"):
        parse_state(b'{"generation": "many"}', "/models/.state.json")


@pytest.mark.parametrize(
    ("alias", "targets", "told"),
    [
        ("default", (), "it has 0 targets"),
        ("default", (TargetView("flowers", "1", 0),), "no target has a weight above 0"),
        ("default", (TargetView("flowers", "1", -5),), "the weight -5 is not"),
        ("default", (TargetView("../..", "1", 1),), "a name has small letters"),
        ("a/b", HALVES.targets, "'a/b' cannot be an alias"),
    ],
)
def test_a_state_with_a_route_that_nobody_can_take_is_none(alias, targets, told):
    """Else no request on that route could be answered, in any worker."""
    routes = {alias: RouteView(targets)}
    for state in (DesiredState(routes=routes), DesiredState(changes=(Change(routes=routes),))):
        with pytest.raises(StateUnavailable, match=f"^here does not .*{told}.* Delete it"):
            parse_state(format_state(state), "here")
