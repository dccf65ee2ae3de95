"""How much memory decoding may take at once: work that would not fit waits for its turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from topfive.concurrency.limiter import Deadline
from topfive.errors import DeadlineExceeded, OutOfMemory

# Waiting does not make this machine larger, but another may answer the next time.
_RETRY_AFTER_S = 60


class MemoryBudget:
    """A number of bytes shared by all pieces of work under way in one worker."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._free_bytes = total_bytes
        self._waiting = 0
        self._changed = Condition()

    @property
    def taken_bytes(self) -> int:
        """How many bytes are reserved now."""
        return self._total_bytes - self._free_bytes

    @contextmanager
    def reserve(self, count: int, deadline: Deadline) -> Iterator[None]:
        """Take `count` bytes, waiting for them until `deadline`.

        Raises OutOfMemory if there are never so many, DeadlineExceeded if they come too late.
        """
        if count > self._total_bytes:
            raise OutOfMemory(
                "This picture needs more memory than there is. Send a smaller one, or a JPEG.",
                retry_after_s=_RETRY_AFTER_S,
            )
        with self._changed:
            self._waiting += 1
            try:
                is_free = self._changed.wait_for(
                    lambda: self._free_bytes >= count, timeout=max(0.0, deadline.remaining_s)
                )
            finally:
                self._waiting -= 1
            if not is_free:
                raise DeadlineExceeded("There was no memory for this picture in time. Try again.")
            self._free_bytes -= count
        try:
            yield
        finally:
            self.give_back(count)

    def take(self, count: int) -> bool:
        """Take `count` bytes if they are free now and nobody waits for any; tell whether they were.

        Whoever took them gives them back.
        """
        with self._changed:
            if self._waiting or self._free_bytes < count:
                return False
            self._free_bytes -= count
            return True

    def give_back(self, count: int) -> None:
        """Free `count` bytes that were taken."""
        with self._changed:
            self._free_bytes += count
            self._changed.notify_all()
