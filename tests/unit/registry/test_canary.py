"""When a canary is taken off its route."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.models import RouteView, TargetView
from topfive.registry.canary import CanaryOptions, CanaryWatch

OLD, NEW = TargetView("flowers", "1", 90), TargetView("flowers", "2", 10)
ROUTE = RouteView((OLD, NEW))
OPTIONS = CanaryOptions(max_error_rate=0.05, max_p99_ratio=2.0, window_s=60, min_requests=100)


class _Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now_s


@pytest.fixture
def clock():
    """A clock to move."""
    return _Clock()


@pytest.fixture
def watch(clock):
    """A watch that has judged nothing yet."""
    return CanaryWatch(OPTIONS, clock)


def _answer(watch, target, times, inference_ms=4.0, alias="default"):
    for _ in range(times):
        watch.record_success(alias, target, inference_ms)


def _fail(watch, target, times):
    for _ in range(times):
        watch.record_error("default", target)


def test_a_canary_that_fails_too_often_is_found(watch):
    """Over the most errors allowed, it is told with its rate in words."""
    _answer(watch, NEW, 94)
    _fail(watch, NEW, 6)
    verdict = watch.judge("default", ROUTE)
    assert (verdict.target, verdict.cause) == (NEW, "errors")
    assert verdict.reason == "6.0% of its last 100 requests failed; at most 5.0% may."


def test_a_canary_at_its_bound_stays(watch):
    """As many errors as are allowed are not too many."""
    _answer(watch, NEW, 95)
    _fail(watch, NEW, 5)
    assert watch.judge("default", ROUTE) is None


def test_few_requests_are_not_judged(watch):
    """Below the least number of requests nothing is said, even if all fail."""
    _fail(watch, NEW, 99)
    assert watch.judge("default", ROUTE) is None


def test_a_slow_canary_is_found(watch):
    """A p99 over so many times the main target's is told with both."""
    _answer(watch, OLD, 900)
    _answer(watch, NEW, 90)
    _answer(watch, NEW, 10, 8.1)
    verdict = watch.judge("default", ROUTE)
    assert (verdict.target, verdict.cause) == (NEW, "p99")
    assert verdict.reason == (
        "the p99 of its inference is 8.1 ms; flowers@1 has 4.0 ms, and at most 2 times that is "
        "allowed."
    )


@pytest.mark.parametrize(("slow", "slow_ms"), [(10, 8.0), (6, 1000.0)])
def test_a_canary_within_its_bound_or_with_few_slow_requests_stays(watch, slow, slow_ms):
    """At the bound it stays, and so it does where only a handful were slow."""
    _answer(watch, OLD, 900)
    _answer(watch, NEW, 100)
    _answer(watch, NEW, slow, slow_ms)
    assert watch.judge("default", ROUTE) is None


def test_without_anything_to_compare_with_no_canary_is_slow(watch):
    """Where the main target has answered little, its p99 says nothing yet."""
    _answer(watch, OLD, 99)
    _answer(watch, NEW, 100, 100.0)
    assert watch.judge("default", ROUTE) is None


def test_the_main_target_is_never_rolled_back(watch):
    """What has the most weight stays, whatever becomes of its requests."""
    _fail(watch, OLD, 500)
    _answer(watch, NEW, 500)
    assert watch.judge("default", ROUTE) is None


def test_what_is_old_is_forgotten(watch, clock):
    """Errors from before the window count no more."""
    _fail(watch, NEW, 100)
    clock.now_s += 61
    _answer(watch, NEW, 100)
    assert watch.judge("default", ROUTE) is None


def test_a_changed_route_begins_anew(watch):
    """What was noted before a route changed is not held against its targets."""
    _fail(watch, NEW, 100)
    watch.forget("default")
    assert watch.judge("default", ROUTE) is None


def test_aliases_are_judged_apart(watch):
    """What becomes of one alias's requests says nothing of another's."""
    _fail(watch, NEW, 100)
    assert watch.judge("other", ROUTE) is None
    assert watch.judge("default", ROUTE)


def test_it_is_looked_at_twice_a_second(watch, clock):
    """Between two looks nothing is computed; the next look finds what came meanwhile."""
    assert watch.judge("default", ROUTE) is None
    _fail(watch, NEW, 100)
    assert watch.judge("default", ROUTE) is None
    clock.now_s += 0.5
    assert watch.judge("default", ROUTE)


def test_what_has_no_weight_is_no_canary(watch):
    """A target that was rolled back is not rolled back again."""
    _fail(watch, NEW, 100)
    rolled_back = RouteView((OLD, TargetView("flowers", "2", 0)))
    assert watch.judge("default", rolled_back) is None


def test_what_slows_the_whole_machine_is_held_against_nobody(watch, clock):
    """Only requests of the same time are compared, however many of either are kept."""
    _answer(watch, OLD, 900, 50.0)
    _answer(watch, NEW, 100, 50.0)
    clock.now_s += 30
    _answer(watch, OLD, 2000)
    _answer(watch, NEW, 200)
    assert watch.judge("default", ROUTE) is None


@pytest.mark.parametrize("seed", range(5))
def test_chance_rolls_nothing_back(watch, clock, seed):
    """Requests that take their times by the same chance are not told apart in ten minutes."""
    chance = Random(seed)
    for _ in range(1200):
        clock.now_s += 0.5
        for _ in range(20):
            target = NEW if chance.random() < 0.1 else OLD
            watch.record_success("default", target, chance.lognormvariate(1.5, 0.8))
        assert watch.judge("default", ROUTE) is None


@given(st.lists(st.floats(0.1, 100), min_size=100, max_size=300))
def test_a_canary_that_is_like_the_main_target_stays(times_ms):
    """Two targets whose requests take the same times are not told apart."""
    watch = CanaryWatch(OPTIONS)
    for one in times_ms:
        for target in (OLD, NEW):
            watch.record_success("default", target, one)
    assert watch.judge("default", ROUTE) is None
