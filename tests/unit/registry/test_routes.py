"""Routes: how they are written, and who gets which target."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.bundles.versions import ModelReference
from topfive.models import RollbackView, RouteView, ShadowView, TargetView
from topfive.registry.routes import (
    EvenPositions,
    Router,
    check_route,
    choose_target,
    has_canary,
    parse_routes,
    roll_back,
    sticky_position,
)

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{12,64}", fullmatch=True)
VERSIONS = st.none() | NAMES | DIGESTS
TARGETS = st.lists(
    st.builds(TargetView, NAMES, VERSIONS, st.integers(0, 1_000_000)),
    min_size=1,
    max_size=5,
    unique_by=lambda one: (one.model, one.version),
).filter(lambda found: any(one.weight for one in found))
ROUTES = st.dictionaries(
    NAMES,
    st.builds(
        RouteView, TARGETS.map(tuple), st.none() | st.builds(ShadowView, NAMES, VERSIONS)
    ),
    max_size=4,
)  # fmt: skip
POSITIONS = st.floats(0, 1, exclude_max=True)
NINETY_TEN = (TargetView("flowers", "1", 90), TargetView("flowers", "2", 10))


def _always(_target):
    return True


def _choose(router, alias="default", key="", is_ready=_always):
    return router.choose(alias, router.find(alias), key, is_ready)


def _write(routes):
    return ";".join(f"{alias}={_write_one(route)}" for alias, route in routes.items())


def _write_one(route):
    parts = [f"{ModelReference(one.model, one.version)}:{one.weight}" for one in route.targets]
    if route.shadow:
        parts.append(f"{ModelReference(route.shadow.model, route.shadow.version)}:shadow")
    return ",".join(parts)


def test_a_route_is_read_as_it_is_written():
    """Weights, versions, a shadow and several aliases are what they say."""
    routes = parse_routes(
        " default=flowers@1:90, flowers@2:10, flowers@sha256:0123456789ab:shadow ;new=resnet50;"
    )
    shadow = ShadowView("flowers", "sha256:0123456789ab")
    assert routes == {
        "default": RouteView(NINETY_TEN, shadow),
        "new": RouteView((TargetView("resnet50", None, 100),)),
    }
    assert parse_routes("") == {}


@given(ROUTES)
def test_what_is_written_is_read_again(routes):
    """Any routes that can be are the same after they were written and read."""
    assert parse_routes(_write(routes)) == routes


@given(st.text(max_size=60) | st.text("a@:;=,1-shadow ", max_size=30))
def test_any_text_is_routes_or_a_mistake(text):
    """Nothing but a ValueError comes of text that is no route."""
    try:
        routes = parse_routes(text)
    except ValueError:
        return
    for route in routes.values():
        check_route(route)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flowers@1:90", "'flowers@1:90' is no route"),
        ("default=", "'' is no target"),
        ("default=a@1:90,,b:10", "'' is no target"),
        ("default=a@1:90,b", "a target has no weight"),
        ("default=a:much", "the weight 'much' is no number"),
        ("default=a:-1", "the weight '-1' is no number"),
        ("default=a:1000001", "the weight 1000001 is not 0 to 1000000"),
        ("default=a:0", "no target has a weight above 0"),
        ("default=a:1,a:2", "a is there twice"),
        ("default=a@1:1,a@1:2", "a@1 is there twice"),
        ("default=a:shadow", "it has 0 targets"),
        ("default=a:1,b:shadow,c:shadow", "more than one shadow"),
        ("default=a;default=b", "the alias 'default' is there twice"),
        ("../up=a", "'../up' cannot be an alias"),
        ("default=../a", "small letters"),
        ("default=a@../1:5", "small letters"),
        ("default=A:5", "small letters"),
        ("default=a@1@2:5", "'a@1@2:5' is no target"),
    ],
)
def test_a_wrong_route_says_what_is_wrong(text, said):
    """Whoever writes a route wrongly reads which part is wrong."""
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_routes(text)


@pytest.mark.parametrize("workers", [1, 2, 3])
@settings(max_examples=20)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=4), st.integers(0, 1 << 32))
def test_the_split_is_within_a_percent(workers, weights, start):
    """Of 10,000 requests each target gets its share within 1%, however many workers share them."""
    targets = tuple(TargetView("m", str(number), one) for number, one in enumerate(weights))
    routers = [
        Router({"default": RouteView(targets)}, start + 7919 * number) for number in range(workers)
    ]
    got = Counter(_choose(routers[number % workers]).version for number in range(10_000))
    for target in targets:
        share = target.weight / sum(weights)
        assert abs(got[target.version] / 10_000 - share) < 0.01


def test_each_alias_is_split_by_itself():
    """Requests that take turns between two aliases leave the shares of both as they are."""
    router = Router(parse_routes("one=a:50,b:50;two=a:50,b:50"), start=0)
    got = Counter(
        (alias, _choose(router, alias, "").model) for _ in range(2000) for alias in ("one", "two")
    )
    assert all(abs(count - 1000) <= 10 for count in got.values())
    assert len(got) == 4


def test_many_threads_share_one_split():
    """Threads that choose at the same time get the shares together."""
    router = Router({"default": RouteView(NINETY_TEN)})
    with ThreadPoolExecutor(8) as pool:
        chosen = pool.map(lambda _: _choose(router).version, range(10_000))
        assert abs(Counter(chosen)["2"] - 1000) <= 20


def test_keys_are_split_by_weight_too():
    """Of many callers with keys each target gets its share."""
    router = Router({"default": RouteView(NINETY_TEN)})
    got = Counter(
        _choose(router, "default", f"caller {number}").version for number in range(10_000)
    )
    assert abs(got["2"] - 1000) < 150


@given(st.text(max_size=20).filter(bool), st.integers(0, 1 << 32))
def test_a_key_always_gets_the_same(key, start):
    """A caller with a key gets the same target from every worker, each time."""
    routes = {"default": RouteView(NINETY_TEN)}
    chosen = {
        _choose(router, "default", key)
        for router in (Router(routes, start), Router(routes))
        for _ in range(3)
    }
    assert len(chosen) == 1


@given(st.text(max_size=20), st.integers(1, 98))
def test_a_growing_canary_keeps_its_callers(key, weight):
    """Who is on the canary stays there when it gets a larger share."""
    position = sticky_position("default", key)
    smaller, larger = (
        (TargetView("m", "1", 100 - one), TargetView("m", "2", one)) for one in (weight, weight + 1)
    )
    if choose_target(smaller, position).version == "2":
        assert choose_target(larger, position).version == "2"


@given(TARGETS, POSITIONS)
def test_nothing_without_weight_is_chosen(targets, position):
    """A target of weight 0 gets no request, wherever it stands."""
    assert choose_target(targets, position).weight > 0


@given(st.integers(0, 1 << 80))
def test_positions_are_from_0_to_below_1(number):
    """No position lies beyond the last target."""
    assert 0 <= EvenPositions(number).next() < 1
    assert 0 <= sticky_position("default", str(number)) < 1


def test_positions_differ():
    """Neighbouring requests stand far apart."""
    positions = EvenPositions(0)
    found = [positions.next() for _ in range(100)]
    assert min(abs(one - other) for one, other in pairwise(found)) > 0.3


def test_what_is_not_ready_is_passed_over():
    """While a target is not ready, another one answers; without any, the one that is meant."""
    router = Router({"default": RouteView(NINETY_TEN)})
    for key in ("", *map(str, range(50))):
        assert _choose(router, "default", key, lambda one: one.version == "2").version == "2"
    assert {_choose(router, "default", "", lambda _: False).version for _ in range(50)} == {
        "1",
        "2",
    }


def test_routes_are_replaced():
    """Other routes hold from the next request on."""
    router = Router(parse_routes("default=a"))
    router.replace(parse_routes("default=b,c:shadow"))
    assert _choose(router).model == "b"
    assert router.find("default").shadow == ShadowView("c", None)
    assert router.find("other") is None


ROLLBACK = RollbackView("flowers", "2", "It failed.", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_rolled_back_target_has_no_weight():
    """What is rolled back stays on the route with weight 0, and why is kept, once."""
    route = RouteView(NINETY_TEN, ShadowView("flowers", "3"))
    after = roll_back(route, NINETY_TEN[1], ROLLBACK)
    assert after.targets == (NINETY_TEN[0], TargetView("flowers", "2", 0))
    assert after.rolled_back == (ROLLBACK,)
    assert after.shadow == route.shadow
    assert roll_back(after, NINETY_TEN[1], ROLLBACK) is after
    assert roll_back(route, TargetView("flowers", "9", 1), ROLLBACK) is route
    assert (has_canary(route), has_canary(after)) == (True, False)


def test_the_only_target_of_a_route_is_never_rolled_back():
    """The route may have been set to the canary alone just before it was judged."""
    route = RouteView((TargetView("flowers", "1", 0), TargetView("flowers", "2", 100)))
    assert roll_back(route, route.targets[1], ROLLBACK) is route
