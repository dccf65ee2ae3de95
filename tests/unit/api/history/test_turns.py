"""Few requests ask the history at a time, and none waits behind a database that does not answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from topfive.api.history.turns import Turns
from topfive.errors import HistoryUnavailable


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The clock that the turns go by."""
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    """Turns of which none is taken."""
    return Turns(clock)


def test_behind_a_slow_database_nobody_waits(turns: Turns, clock: Clock) -> None:
    """Two are at work; once they have been for a moment, a third is refused at once."""
    with turns.take(), turns.take():
        clock.now_s = 0.3
        with pytest.raises(HistoryUnavailable, match="slow") as refused, turns.take():
            pass
        assert refused.value.retry_after_s == 1
    with turns.take():
        pass


def test_behind_a_quick_one_the_third_waits(turns: Turns) -> None:
    """Who finds two that have just begun gets the turn of the first that ends."""
    has_begun, may_end = Event(), Event()

    def ask(after: Callable[[], object]) -> None:
        with turns.take():
            has_begun.set()
            after()

    with ThreadPoolExecutor(2) as pool, ExitStack() as own:
        first = pool.submit(ask, may_end.wait)
        assert has_begun.wait(10)
        own.enter_context(turns.take())
        second = pool.submit(ask, lambda: None)
        may_end.set()
        first.result(10)
        second.result(10)


def test_one_export_at_a_time_leaves_a_turn(turns: Turns, clock: Clock) -> None:
    """A second export is refused at once, and pages go on, one at a time."""
    with turns.take_long():
        with pytest.raises(HistoryUnavailable, match="export is under way"), turns.take_long():
            pass
        clock.now_s = 1000.0
        with turns.take():
            clock.now_s = 1001.0
            with pytest.raises(HistoryUnavailable, match="slow"), turns.take():
                pass
    with turns.take_long():
        pass


def test_a_turn_ends_with_an_error(turns: Turns) -> None:
    """Whatever goes wrong while one has it."""
    for take in (turns.take, turns.take_long) * 3:
        with pytest.raises(ZeroDivisionError), take():
            raise ZeroDivisionError
