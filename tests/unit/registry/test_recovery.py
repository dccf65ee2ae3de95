"""Trying again, and again."""

from threading import Event
from time import sleep

import pytest

from topfive.concurrency.backoff import Backoff
from topfive.errors import BundleMissing, BundleRefused, OperatorError, WeightsUnreachable
from topfive.registry.recovery import Recovery

AT_ONCE = Backoff(first_s=0.001, factor=1.0, most_s=0.001, jitter=0.0)
LATE = 30.0


class Attempts:
    """An attempt that fails as often as it is told, and notes what it was told about it."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.count = 0
        self.told: list[tuple[str, float | None]] = []
        self.succeeded = Event()

    def __call__(self) -> None:
        """Fail with the next failure, or succeed."""
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        self.succeeded.set()

    def tell(self, error: Exception, wait_s: float | None) -> None:
        """Note a failure."""
        self.told.append((str(error), wait_s))


def test_it_tries_until_it_succeeds():
    """What may heal is tried again, each failure told with the wait before the next attempt."""
    attempts = Attempts(WeightsUnreachable("one"), BundleMissing("two"), OperatorError("three"))
    recovery = Recovery(attempts, attempts.tell, Backoff(0.001, 2.0, 0.003, jitter=0.0))
    recovery.start()
    assert attempts.succeeded.wait(LATE)
    recovery._thread.join(LATE)
    assert not recovery._thread.is_alive()
    assert attempts.count == 4
    assert attempts.told == [("one", 0.002), ("two", 0.003), ("three", 0.003)]


def test_what_waiting_cannot_heal_is_not_tried_again():
    """A mistake is told, without a next attempt, and ends the attempts."""
    attempts = Attempts(WeightsUnreachable("one"), BundleRefused("two"), WeightsUnreachable("no"))
    recovery = Recovery(attempts, attempts.tell, AT_ONCE)
    recovery.start()
    recovery._thread.join(LATE)
    assert not recovery._thread.is_alive()
    assert attempts.told == [("one", 0.001), ("two", None)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_does_not_end_the_attempts():
    """Where something other than an operator's error comes up, it goes on trying."""
    attempts = Attempts(OSError("no process could be started"))
    recovery = Recovery(attempts, attempts.tell, AT_ONCE)
    recovery.start()
    recovery._thread.join(1)
    recovery.stop()
    assert attempts.succeeded.is_set()


def test_the_first_attempt_comes_after_a_wait():
    """What just failed is not tried again at once; stopping ends the wait."""
    attempts = Attempts()
    recovery = Recovery(attempts, attempts.tell, Backoff(first_s=60))
    recovery.start()
    sleep(0.02)
    assert attempts.count == 0
    recovery.stop()
    recovery._thread.join(LATE)
    assert not recovery._thread.is_alive()
    assert attempts.count == 0


def test_stopping_ends_the_attempts():
    """After being stopped nothing is tried any more."""
    attempts = Attempts(*(WeightsUnreachable("gone") for _ in range(100_000)))
    recovery = Recovery(attempts, attempts.tell, AT_ONCE)
    recovery.start()
    while attempts.count < 3:
        sleep(0.001)
    recovery.stop()
    recovery._thread.join(LATE)
    assert not recovery._thread.is_alive()
    assert not attempts.succeeded.is_set()


def test_stopping_what_never_began_is_fine():
    """A recovery may be stopped before it is started."""
    Recovery(Attempts(), Attempts().tell, AT_ONCE).stop()
