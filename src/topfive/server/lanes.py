"""Requests of one kind: so many at work at once, the others in the order they came."""

import math
from collections import deque

from topfive.concurrency.limiter import LONG_WORK_S
from topfive.errors import Overloaded
from topfive.machine.sizing import LOOKUP_THREADS
from topfive.server.upload import Upload

# Of so many of the last batches the time is known.
_TIMED = 8
_MAX_RETRY_AFTER_S = 60
# Where the cache answers none of them, of so many and one more one is tried.
_MOST_SKIPS = 31


class Lane:
    """Requests of one kind: `limit` at work at once, the others in the order they came.

    Work that takes long makes way for another request, for up to `spare` of them: those behind a
    huge picture, or one that is stuck, need not wait for its end.
    """

    def __init__(self, limit: int, spare: int = 0) -> None:
        self.limit = limit
        self.spare = spare
        self.waiting: deque[Upload] = deque()
        self._began_s: dict[Upload, float] = {}
        self._long: set[Upload] = set()

    @property
    def working(self) -> int:
        """How many are at work."""
        return len(self._began_s)

    def is_ready(self) -> bool:
        """Tell whether a thread may have one that waits."""
        return bool(self.waiting) and self.working < self.limit + min(len(self._long), self.spare)

    def start(self, now_s: float) -> Upload:
        """Put the one that waits longest to work."""
        upload = self.waiting.popleft()
        self._began_s[upload] = now_s
        return upload

    def finish(self, upload: Upload) -> float:
        """Note that one is no longer at work; returns the moment at which it began."""
        self._long.discard(upload)
        return self._began_s.pop(upload)

    def note_long_work(self, now_s: float) -> None:
        """Note which have been at work for long."""
        began_s = self._began_s.items()
        self._long = {one for one, at_s in began_s if now_s - at_s >= LONG_WORK_S}


class BatchLane(Lane):
    """Batches: `limit` at work, at most `most_waiting` more, and how long the last ones took."""

    def __init__(self, limit: int, most_waiting: int) -> None:
        super().__init__(limit)
        self._most = limit + most_waiting
        self._now_s = 0.0
        self._took_s: deque[float] = deque(maxlen=_TIMED)

    @property
    def is_full(self) -> bool:
        """Whether no further batch may wait."""
        return self.working + len(self.waiting) >= self._most

    def overloaded(self) -> Overloaded:
        """Make the failure of a batch for which there is no place now.

        When there will be one is estimated by the time that the last ones took.
        """
        took_s = sum(self._took_s) / len(self._took_s) if self._took_s else 1.0
        retry_after_s = min(_MAX_RETRY_AFTER_S, max(1, math.ceil(took_s / self.limit)))
        return Overloaded(
            f"{self.limit} batches are at work in this worker, and {self._most - self.limit} more "
            "wait. Try again later.",
            retry_after_s=retry_after_s,
        )

    def finish(self, upload: Upload) -> float:
        """Note that one is no longer at work; returns the moment at which it began."""
        began_s = super().finish(upload)
        self._took_s.append(self._now_s - began_s)
        return began_s

    def note_long_work(self, now_s: float) -> None:
        """Note the time; a batch makes way for no other, however long it takes."""
        self._now_s = now_s


class LookupLane(Lane):
    """Predictions without a queue slot, which the cache alone can answer: `most` in all.

    After each that it could not answer some that come are not tried, twice as many every time: what
    is not in the cache costs more to look for than to refuse.
    """

    def __init__(self, most: int) -> None:
        super().__init__(LOOKUP_THREADS)
        self._most = most
        self._uploads: set[Upload] = set()
        self._skips = 0
        self._skipped = 0

    def take(self, upload: Upload) -> bool:
        """Tell whether one may be tried; it counts until it is left."""
        if upload in self._uploads:
            return True
        if len(self._uploads) >= self._most:
            return False
        if self._skipped < self._skips:
            self._skipped += 1
            return False
        self._skipped = 0
        self._uploads.add(upload)
        return True

    def leave(self, upload: Upload) -> None:
        """Count one no longer."""
        self._uploads.discard(upload)

    def finish(self, upload: Upload) -> float:
        """Note that one has been answered, or not; returns the moment at which it began."""
        self._skips = min(2 * self._skips + 1, _MOST_SKIPS) if upload.is_overloaded else 0
        return super().finish(upload)
