"""The budget of memory for decoding."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from time import sleep

import pytest

from topfive.concurrency.limiter import Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import DeadlineExceeded, OutOfMemory

SOON, LATE = 0.02, 30.0


def test_what_fits_together_runs_together():
    """Pieces of work that fit into the budget do not wait for each other."""
    budget = MemoryBudget(100)
    with budget.reserve(60, Deadline.after(SOON)), budget.reserve(40, Deadline.after(SOON)):
        pass
    with budget.reserve(100, Deadline.after(SOON)):
        pass


def test_more_than_there_ever_is_is_refused_at_once():
    """Work that could never run does not wait."""
    with pytest.raises(OutOfMemory), MemoryBudget(100).reserve(101, Deadline.after(LATE)):
        pytest.fail("too much was reserved")


def test_waiting_ends_with_the_deadline():
    """Memory that comes too late is a deadline exceeded, and nothing stays reserved."""
    budget = MemoryBudget(100)
    with budget.reserve(60, Deadline.after(LATE)):
        for _ in range(3):
            with pytest.raises(DeadlineExceeded), budget.reserve(41, Deadline.after(SOON)):
                pytest.fail("too much was reserved")
    with budget.reserve(100, Deadline.after(SOON)):
        pass


def test_memory_given_back_wakes_whoever_waits():
    """Work that waited for memory goes on as soon as enough is free."""
    budget, ran = MemoryBudget(100), Event()

    def work() -> None:
        with budget.reserve(80, Deadline.after(LATE)):
            ran.set()

    thread = Thread(target=work)
    with budget.reserve(60, Deadline.after(LATE)):
        thread.start()
        assert not ran.is_set()
    thread.join()
    assert ran.is_set()


def test_memory_comes_back_after_an_error():
    """Work that fails gives back what it reserved."""
    budget = MemoryBudget(100)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserve(100, Deadline.after(SOON)):
            raise ZeroDivisionError


def test_the_budget_is_never_overdrawn():
    """However many race, what is reserved at one moment stays within the budget."""
    budget, lock = MemoryBudget(100), Lock()
    used, most = 0, 0

    def work(number: int) -> None:
        nonlocal used, most
        count = 10 + number % 60
        with budget.reserve(count, Deadline.after(LATE)):
            with lock:
                used += count
                most = max(most, used)
            sleep(0.0005)
            with lock:
                used -= count

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(work, range(200)))
    assert 70 <= most <= 100
    with budget.reserve(100, Deadline.after(SOON)):
        assert used == 0


def test_what_is_free_is_taken_at_once_or_not_at_all():
    """Taking never waits, and what was taken counts until it is given back."""
    budget = MemoryBudget(100)
    assert budget.take(60)
    assert not budget.take(41)
    with budget.reserve(40, Deadline.after(SOON)):
        assert budget.taken_bytes == 100
    budget.give_back(60)
    assert budget.take(100)
    budget.give_back(100)


def test_nothing_is_taken_from_those_who_wait():
    """While work waits for memory, the rest of it is not taken either."""
    budget = MemoryBudget(100)
    with budget.reserve(60, Deadline.after(LATE)):
        thread = Thread(target=_reserve_for_a_moment, args=(budget, 80))
        thread.start()
        while budget._waiting == 0:
            sleep(0.001)
        assert not budget.take(1)
    thread.join()
    assert budget.take(1)


def _reserve_for_a_moment(budget, count):
    with budget.reserve(count, Deadline.after(LATE)):
        pass
