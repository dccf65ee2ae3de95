"""When the client tries again, and how long it waits."""

import pytest

from topfive.client.errors import Refused, TimeExceeded, Unreachable
from topfive.client.retries import Tries


class Clock:
    """A clock that is set by hand."""

    now_s = 1000.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now_s


def overloaded(retry_after_s: float | None = None) -> Refused:
    """Make what a full service answers."""
    return Refused("overloaded", "Full.", status=503, retry_after_s=retry_after_s)


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_retry_after_is_waited_out_and_a_quarter_more_at_most(drawn):
    """No client comes back sooner than it was asked to, and not all of them at one time."""
    tries = Tries(4, 60, Clock(), lambda: drawn)
    assert tries.pause_after(overloaded(8)) == 8 + 2 * drawn


def test_without_retry_after_pauses_double():
    """Where the service says no time, each pause is twice the last, or up to half shorter."""
    longest, shortest = (Tries(3, 60, Clock(), lambda drawn=one: drawn) for one in (1.0, 0.0))
    assert [longest.pause_after(Unreachable("Gone.")) for _ in range(3)] == [0.2, 0.4, 0.8]
    assert [shortest.pause_after(Unreachable("Gone.")) for _ in range(3)] == [0.1, 0.2, 0.4]


def test_the_last_error_is_raised_after_the_last_try():
    """After as many retries as were allowed, the caller gets the error itself."""
    tries, last = Tries(1, 60, Clock()), overloaded()
    tries.pause_after(overloaded())
    with pytest.raises(Refused) as told:
        tries.pause_after(last)
    assert told.value is last


def test_what_does_not_pass_is_raised_at_once():
    """A picture that is none, or a wrong key, is not sent again."""
    with pytest.raises(Refused, match="unauthorized"):
        Tries(4, 60, Clock()).pause_after(Refused("unauthorized", "No key.", status=401))


def test_a_wait_beyond_the_deadline_is_not_begun():
    """A quota that is new in an hour ends a call of a minute now, and says so."""
    with pytest.raises(Refused) as told:
        Tries(4, 60, Clock()).pause_after(overloaded(3600))
    assert told.value.retry_after_s == 3600


def test_the_deadline_is_that_of_all_tries():
    """What earlier tries took is not there for later ones."""
    clock = Clock()
    tries = Tries(4, 60, clock)
    clock.now_s += 59
    assert tries.left_s() == 1
    clock.now_s += 1
    with pytest.raises(TimeExceeded, match="within 60 s"):
        tries.left_s()


def test_after_progress_everything_begins_anew():
    """A batch that moves on has its retries and its time again."""
    clock = Clock()
    tries = Tries(1, 60, clock)
    tries.pause_after(overloaded())
    clock.now_s += 59
    tries.renew()
    assert tries.left_s() == 60
    tries.pause_after(overloaded())
