"""A flood of requests that are refused is noticed, and slowed where that helps."""

import pytest

from topfive.server.flood import Flood
from topfive.server.upload import Upload

HOST = "192.0.2.1"


def flood_after(per_s: int, host: str = HOST, hold_s: float = 0.5) -> Flood:
    """Make a flood that has refused so many in the last second, the present moment being 1."""
    flood = Flood(hold_s)
    flood.tick(0.0)
    for _ in range(per_s):
        flood.note(host)
    flood.tick(1.0)
    return flood


@pytest.mark.parametrize(
    ("per_s", "is_on", "slows"),
    [
        (0, False, False),
        (249, False, False),
        (250, True, False),
        (1699, True, False),
        (1700, True, True),
    ],
)
def test_what_is_done_depends_on_the_rate(per_s: int, is_on: bool, slows: bool) -> None:
    """Few are refused as ever, more by a first look, and very many of one address later."""
    flood = flood_after(per_s)
    assert flood.is_on == flood.is_watched == is_on
    assert flood.slows(HOST, 1.0) == slows


def test_only_the_address_that_hammers_is_slowed() -> None:
    """Another client is told at once."""
    flood = flood_after(5000)
    assert not flood.slows("192.0.2.2", 1.0)
    assert not flood.hold(Upload(host="192.0.2.2"), 1.0)


def test_an_address_is_slowed_until_few_are_refused() -> None:
    """Slowed clients are refused less often, and would hammer again if they were let be."""
    flood = flood_after(1700)
    for now_s, per_s, slows in ((2.0, 50, True), (3.0, 49, False), (4.0, 1699, False)):
        for _ in range(per_s):
            flood.note(HOST)
        flood.tick(now_s)
        assert flood.slows(HOST, now_s) == slows


def test_looking_again_too_soon_changes_nothing() -> None:
    """A rate is told by a window, not by a moment."""
    flood = flood_after(5000)
    flood.tick(1.1)
    assert flood.slows(HOST, 1.1)


def test_each_request_is_held_back_once_and_for_the_same_time() -> None:
    """In the order they came; when it is let go it is not held back again."""
    flood = flood_after(5000)
    first, second = Upload(host=HOST), Upload(host=HOST)
    assert flood.due_in_s(1.0) == float("inf")
    assert flood.hold(first, 1.0)
    assert flood.hold(second, 1.2)
    assert flood.due_in_s(1.25) == pytest.approx(0.25)
    flood.leave(first)
    assert flood.due_in_s(1.25) == pytest.approx(0.45)
    assert not flood.hold(first, 1.3)


def test_who_waits_gets_a_place_that_becomes_free() -> None:
    """Whoever was first, and as many as there are places."""
    flood = flood_after(5000)
    held = [Upload(host=HOST) for _ in range(3)]
    assert all(flood.hold(one, 1.0) for one in held)
    flood.let_in(2, 1.1)
    assert [one.expires_s for one in held] == [1.1, 1.1, 1.5]
    flood.let_in(-1, 1.2)
    assert held[2].expires_s == 1.5


def test_where_holding_slows_nobody_it_ends() -> None:
    """More come than any clients that wait for answers: all are told at once, for a while."""
    flood = flood_after(5000)
    held = [Upload(host=HOST) for _ in range(256)]
    assert all(flood.hold(one, 1.0) for one in held)
    assert not flood.hold(Upload(host=HOST), 1.2)
    assert {one.expires_s for one in held} == {1.2}
    assert not flood.slows(HOST, 31.1)
    assert flood.slows(HOST, 31.2)


def test_holding_is_tried_anew_in_the_next_flood() -> None:
    """Once few are refused it is not known who comes next."""
    flood = flood_after(5000)
    for _ in range(257):
        flood.hold(Upload(host=HOST), 1.0)
    flood.tick(2.0)
    for _ in range(5000):
        flood.note(HOST)
    flood.tick(3.0)
    assert flood.slows(HOST, 3.0)


def test_without_a_time_to_hold_nothing_is_held() -> None:
    """Zero seconds: never."""
    assert not flood_after(5000, hold_s=0).hold(Upload(host=HOST), 1.0)
