"""When a call is tried again, and for how long altogether."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from topfive.client.errors import ClientError, TimeExceeded

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
# By how much more than the service asks for, so that its clients do not all come back at once.
_MOST_JITTER = 0.25


class Tries:
    """The tries of one call: at most `retries` after the first, all within `timeout_s` seconds."""

    def __init__(
        self,
        retries: int,
        timeout_s: float,
        clock_s: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._retries = retries
        self._timeout_s = timeout_s
        self._clock_s = clock_s
        self._draw = draw
        self.renew()

    def renew(self) -> None:
        """Begin anew, after something has been achieved."""
        self._failed = 0
        self._end_s = self._clock_s() + self._timeout_s

    def left_s(self) -> float:
        """Tell how many seconds are left; raises TimeExceeded where there are none."""
        left_s = self._end_s - self._clock_s()
        if left_s <= 0:
            raise self._exceeded()
        return left_s

    @contextmanager
    def ending_in_time(self) -> Iterator[None]:
        """Turn asyncio's TimeoutError into TimeExceeded."""
        try:
            yield
        except TimeoutError:
            raise self._exceeded() from None

    def pause_after(self, error: ClientError) -> float:
        """Tell how many seconds to wait before the next try; raises the error if there is none.

        There is none for what does not pass, after the last try, and where the wait would take
        longer than is left.
        """
        self._failed += 1
        if not error.may_pass or self._failed > self._retries:
            raise error
        pause_s = self._pause_s(error.retry_after_s)
        if self._clock_s() + pause_s >= self._end_s:
            raise error
        return pause_s

    def _exceeded(self) -> TimeExceeded:
        return TimeExceeded(f"There was no whole answer within {self._timeout_s:g} s.")

    def _pause_s(self, retry_after_s: float | None) -> float:
        backoff_s = min(_FIRST_PAUSE_S * 2.0 ** (self._failed - 1), _LONGEST_PAUSE_S)
        if retry_after_s is None:
            return backoff_s * (0.5 + 0.5 * self._draw())
        return retry_after_s + max(retry_after_s * _MOST_JITTER, backoff_s) * self._draw()
