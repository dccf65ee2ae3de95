"""Queue slots and permits: the promises of a full service, with real threads."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event, Lock, Thread
from time import monotonic, sleep

import pytest

from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline, Load
from topfive.errors import DeadlineExceeded, Overloaded

SOON, LATE = 0.02, 30.0


def _wait_until(is_true: Callable[[], bool]) -> None:
    until = monotonic() + LATE
    while not is_true():
        assert monotonic() < until, "what was waited for never came"
        sleep(0.001)


@contextmanager
def _someone_working(limiter: ConcurrencyLimiter) -> Iterator[None]:
    """Hold a queue slot and a permit in another thread until the block ends."""
    may_leave = Event()

    def work() -> None:
        with limiter.queue_slot(), limiter.permit(Deadline.after(LATE)):
            may_leave.wait(LATE)

    thread = Thread(target=work)
    thread.start()
    _wait_until(lambda: limiter.load().working > 0)
    try:
        yield
    finally:
        may_leave.set()
        thread.join()


def test_a_deadline_counts_down():
    """A deadline has as long left as it was given, and less than nothing once it has passed."""
    assert 9 < Deadline.after(10).remaining_s <= 10
    assert Deadline.after(-1).remaining_s <= -1


@pytest.mark.parametrize(("slots", "queue"), [(1, 0), (2, 3), (4, 0)])
def test_there_are_as_many_queue_slots_as_slots_and_queue(slots, queue):
    """One more than slots and queue together is refused at once, until one leaves."""
    limiter = ConcurrencyLimiter(slots, queue)
    with ExitStack() as inside:
        for _ in range(slots + queue):
            inside.enter_context(limiter.queue_slot())
        with (
            pytest.raises(Overloaded, match=f"All {slots + queue} queue slots"),
            limiter.queue_slot(),
        ):
            pytest.fail("a queue slot too many")
        assert limiter.load() == Load(0, slots + queue)
    with limiter.queue_slot():
        assert limiter.load() == Load(0, 1)


def test_being_refused_takes_no_place():
    """Refusals do not count, however many there are."""
    limiter = ConcurrencyLimiter(1, 0)
    with limiter.queue_slot():
        for _ in range(10):
            with pytest.raises(Overloaded), limiter.queue_slot():
                pytest.fail("a queue slot too many")
        assert limiter.load() == Load(0, 1)


def test_overloaded_says_when_to_come_back():
    """Retry-After is a whole number of seconds from 1 to 60, also before anything finished."""
    limiter = ConcurrencyLimiter(1, 0)
    for finished in range(4):
        with limiter.queue_slot(), pytest.raises(Overloaded) as refusal, limiter.queue_slot():
            pytest.fail("a queue slot too many")
        retry_after_s = refusal.value.retry_after_s
        assert isinstance(retry_after_s, int), finished
        assert 1 <= retry_after_s <= 60
        with limiter.permit(Deadline.after(LATE)):
            pass


def test_retry_after_follows_the_drain_rate(monkeypatch):
    """Where one piece takes ten seconds, six pieces ahead mean a minute; quick work means one."""
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr("topfive.concurrency.limiter.monotonic", lambda: float(next(clock)))
    limiter = ConcurrencyLimiter(1, 1)
    for _ in range(8):
        with limiter.permit(Deadline(float("inf"))):
            pass
    with (
        limiter.queue_slot(),
        limiter.queue_slot(),
        pytest.raises(Overloaded) as refusal,
        limiter.queue_slot(),
    ):
        pytest.fail("a queue slot too many")
    assert refusal.value.retry_after_s is not None
    assert 20 <= refusal.value.retry_after_s <= 60


def test_a_queue_slot_comes_back_after_an_error():
    """Work that fails gives back its queue slot and its permit."""
    limiter = ConcurrencyLimiter(1, 0)
    for _ in range(3):
        with (
            pytest.raises(ZeroDivisionError),
            limiter.queue_slot(),
            limiter.permit(Deadline.after(LATE)),
        ):
            raise ZeroDivisionError
    assert limiter.load() == Load(0, 0)


def test_no_permit_before_the_deadline_is_told_as_such():
    """Whoever waits too long gets DeadlineExceeded, and waits no more."""
    limiter = ConcurrencyLimiter(1, 4)
    with _someone_working(limiter):
        for _ in range(3):
            with (
                pytest.raises(DeadlineExceeded),
                limiter.queue_slot(),
                limiter.permit(Deadline.after(SOON)),
            ):
                pytest.fail("a permit too many")
        assert limiter.load() == Load(1, 0)
    with limiter.permit(Deadline.after(LATE)):
        assert limiter.load().working == 1


def test_a_deadline_that_has_passed_never_works():
    """Expired work is refused even where a slot is free, and leaves the slot free."""
    limiter = ConcurrencyLimiter(1, 0)
    with pytest.raises(DeadlineExceeded), limiter.permit(Deadline.after(-1)):
        pytest.fail("expired work was let in")
    assert limiter.load() == Load(0, 0)
    with limiter.permit(Deadline.after(LATE)):
        assert limiter.load().working == 1


def test_permits_are_given_in_the_order_of_coming():
    """Those who wait work in the order in which they began to wait."""
    limiter, order, count = ConcurrencyLimiter(1, 20), [], 8

    def work(number: int) -> None:
        with limiter.queue_slot(), limiter.permit(Deadline.after(LATE)):
            order.append(number)

    threads = [Thread(target=work, args=(number,)) for number in range(count)]
    with _someone_working(limiter):
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            _wait_until(lambda waiting=waiting: len(limiter._waiting) == waiting)
    for thread in threads:
        thread.join()
    assert order == list(range(count))


def test_who_comes_later_does_not_overtake():
    """A permit that becomes free goes to whoever waits, not to who asks at that moment."""
    limiter, order = ConcurrencyLimiter(1, 5), []

    def wait() -> None:
        with limiter.permit(Deadline.after(LATE)):
            order.append("waited")

    waiter = Thread(target=wait)
    with limiter.permit(Deadline.after(LATE)):
        waiter.start()
        _wait_until(lambda: len(limiter._waiting) == 1)
    with limiter.permit(Deadline.after(LATE)):
        order.append("came later")
    waiter.join()
    assert order == ["waited", "came later"]


def test_a_permit_handed_to_one_who_just_gave_up_goes_on():
    """Where a permit arrives as its waiter's time runs out, the next that waits gets it."""
    limiter = ConcurrencyLimiter(1, 5)
    expired, next_waiting = Event(), Event()
    with limiter._lock:
        limiter._working = 1
        limiter._waiting.extend([expired, next_waiting])
    limiter._leave()
    assert expired.is_set()
    limiter._give_up(expired)
    assert next_waiting.is_set()
    limiter._give_up(next_waiting)
    assert limiter.load().working == 0
    with limiter.permit(Deadline.after(LATE)):
        assert limiter.load().working == 1


@pytest.mark.parametrize(("slots", "queue"), [(1, 2), (3, 5)])
def test_nothing_leaks_when_many_race(slots, queue):
    """Whatever times out, fails or is refused: never more work than slots, and none is lost."""
    limiter, lock = ConcurrencyLimiter(slots, queue), Lock()
    inside, most, outcomes = 0, 0, set()

    def work(seed: int) -> None:
        nonlocal inside, most
        chance = random.Random(seed)
        for _ in range(40):
            try:
                with (
                    limiter.queue_slot(),
                    limiter.permit(Deadline.after(chance.choice([0, 0.0005, LATE]))),
                ):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    sleep(chance.choice([0, 0.0005, 0.001]))
                    with lock:
                        inside -= 1
                    if chance.random() < 0.2:
                        raise ZeroDivisionError
                    outcomes.add("done")
            except (Overloaded, DeadlineExceeded, ZeroDivisionError) as failure:
                outcomes.add(type(failure).__name__)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert outcomes == {"done", "Overloaded", "DeadlineExceeded", "ZeroDivisionError"}
    assert most == slots
    assert limiter.load() == Load(0, 0)
    assert not limiter._waiting
    assert limiter.oldest_run_s() == 0
    with ExitStack() as everything:
        for _ in range(slots):
            everything.enter_context(limiter.permit(Deadline.after(LATE)))
        assert limiter.load().working == slots


def test_the_oldest_work_is_known():
    """How long the oldest piece of work has run is told, and 0 where none runs."""
    limiter = ConcurrencyLimiter(2, 0)
    assert limiter.oldest_run_s() == 0
    with limiter.permit(Deadline.after(LATE)):
        sleep(0.01)
        older = limiter.oldest_run_s()
        assert older >= 0.01
        with limiter.permit(Deadline.after(LATE)):
            assert limiter.oldest_run_s() >= older
    assert limiter.oldest_run_s() == 0


def test_a_permit_is_spare_while_one_is_free_and_nobody_waits():
    """Work on the side may begin only where it takes nobody's turn."""
    limiter = ConcurrencyLimiter(2, 1)
    with limiter.permit(Deadline.after(1)):
        assert limiter.has_spare_permit()
        with limiter.permit(Deadline.after(1)):
            assert not limiter.has_spare_permit()
    assert limiter.has_spare_permit()
