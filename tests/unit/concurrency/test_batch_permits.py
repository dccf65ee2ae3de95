"""Permits for pictures of batches beside those of single ones, with real threads."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event, Lock, Thread
from time import monotonic, sleep

import pytest

from topfive.concurrency.batch_turns import SINGLES_PER_TURN
from topfive.concurrency.limiter import LONG_WORK_S, ConcurrencyLimiter, Deadline, Load
from topfive.errors import DeadlineExceeded

SOON, LATE = 0.02, 30.0


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    until = monotonic() + LATE
    while not is_true():
        assert monotonic() < until, "what was waited for never came"
        sleep(0.001)


@contextmanager
def waiting_for(permit: Callable[[Deadline], object]) -> Iterator[Event]:
    """Ask for a permit in another thread; yields what is set once it has it."""
    has_it, may_leave = Event(), Event()

    def work() -> None:
        with permit(Deadline.after(LATE)):  # type: ignore[attr-defined] # a context manager
            has_it.set()
            may_leave.wait(LATE)

    thread = Thread(target=work)
    thread.start()
    try:
        yield has_it
    finally:
        may_leave.set()
        thread.join()


def test_a_batch_alone_uses_more_than_the_slots():
    """With nothing else to do as many of its pictures are worked on as there are batch slots."""
    limiter = ConcurrencyLimiter(1, 0, batch_slots=3)
    with ExitStack() as inside:
        for _ in range(3):
            inside.enter_context(limiter.batch_permit(Deadline.after(LATE)))
        with pytest.raises(DeadlineExceeded), limiter.batch_permit(Deadline.after(SOON)):
            pytest.fail("a permit too many")
        assert not limiter.has_spare_permit()
    assert limiter.has_spare_permit()


def test_a_batch_takes_no_single_permit():
    """While all batch slots are taken a single picture is worked on at once."""
    limiter = ConcurrencyLimiter(1, 0, batch_slots=2)
    with (
        limiter.batch_permit(Deadline.after(LATE)),
        limiter.batch_permit(Deadline.after(LATE)),
        limiter.permit(Deadline.after(LATE)),
    ):
        assert limiter.load().working == 1


def test_beside_single_pictures_a_batch_gets_a_turn_for_several_of_them():
    """After the first one so many single pictures must finish, and then one may start."""
    limiter = ConcurrencyLimiter(1, 9, batch_slots=2)
    limiter.count_waiting_with(lambda: 1)
    with limiter.batch_permit(Deadline.after(LATE)):
        pass
    with waiting_for(limiter.batch_permit) as has_it:
        for _ in range(SINGLES_PER_TURN):
            assert not has_it.is_set()
            with limiter.permit(Deadline.after(LATE)):
                sleep(0.001)
        assert has_it.wait(LATE)


def test_a_batch_goes_on_when_the_last_single_picture_is_done():
    """It need not wait for anything else."""
    limiter = ConcurrencyLimiter(2, 0, batch_slots=2)
    with ExitStack() as batches:
        with limiter.permit(Deadline.after(LATE)):
            began = [batches.enter_context(waiting_for(limiter.batch_permit)) for _ in range(2)]
            wait_until(lambda: any(one.is_set() for one in began))
            assert not all(one.is_set() for one in began)
        assert all(one.wait(LATE) for one in began)


def test_a_batch_gets_a_turn_by_time_alone():
    """However long single pictures wait and none of them finishes."""
    limiter = ConcurrencyLimiter(1, 0, batch_slots=1)
    limiter.count_waiting_with(lambda: 5)
    for _ in range(2):
        with limiter.batch_permit(Deadline.after(LATE)):
            pass


def test_a_batch_picture_whose_time_is_up_is_not_begun():
    """It is told so, and leaves its turn to the next one."""
    limiter = ConcurrencyLimiter(1, 0, batch_slots=1)
    with pytest.raises(DeadlineExceeded), limiter.batch_permit(Deadline.after(-1)):
        pytest.fail("expired work was let in")
    with limiter.batch_permit(Deadline.after(LATE)):
        pass


def test_a_stuck_picture_of_a_batch_is_seen():
    """It counts for a quarter of its time, since it may just get little of the CPU."""
    limiter = ConcurrencyLimiter(1, 0, batch_slots=1)
    began_s = monotonic()
    with limiter.batch_permit(Deadline.after(LATE)):
        sleep(0.02)
        assert 0.005 <= limiter.oldest_run_s() <= (monotonic() - began_s) / 4
    assert limiter.oldest_run_s() == 0


def test_long_work_makes_way_for_as_much_as_is_spare():
    """After a second another piece starts beside it, and not before; no more than are spare."""
    limiter = ConcurrencyLimiter(1, 9, spare=1)
    with ExitStack() as inside:
        began_s = monotonic()
        inside.enter_context(limiter.permit(Deadline.after(LATE)))
        inside.enter_context(limiter.permit(Deadline.after(LATE)))
        assert monotonic() - began_s >= LONG_WORK_S
        with pytest.raises(DeadlineExceeded), limiter.permit(Deadline.after(LONG_WORK_S + 0.3)):
            pytest.fail("a permit too many")
    assert limiter.load() == Load(0, 0)


def test_nothing_leaks_when_batches_and_single_pictures_race():
    """Whatever times out or fails: never too many at once, and at the end all permits are free."""
    limiter, lock = ConcurrencyLimiter(2, 50, batch_slots=3), Lock()
    inside, most, outcomes = {"single": 0, "batch": 0}, {"single": 0, "batch": 0}, set()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        kind = "batch" if seed % 2 else "single"
        permit = limiter.batch_permit if seed % 2 else limiter.permit
        for _ in range(40):
            try:
                with permit(Deadline.after(chance.choice([0, 0.0005, 0.01, LATE]))):
                    with lock:
                        inside[kind] += 1
                        most[kind] = max(most[kind], inside[kind])
                    sleep(chance.choice([0, 0.0005, 0.001]))
                    with lock:
                        inside[kind] -= 1
                    if chance.random() < 0.2:
                        raise ZeroDivisionError
                    outcomes.add((kind, "done"))
            except (DeadlineExceeded, ZeroDivisionError) as failure:
                outcomes.add((kind, type(failure).__name__))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert len(outcomes) == 6
    assert most["single"] == 2
    assert most["batch"] <= 3
    assert limiter.oldest_run_s() == 0
    with ExitStack() as everything:
        for _ in range(3):
            everything.enter_context(limiter.batch_permit(Deadline.after(LATE)))
        for _ in range(2):
            everything.enter_context(limiter.permit(Deadline.after(LATE)))
