"""A flood of requests without a queue slot: noticed by its rate, and slowed where that helps.

A client that asks anew as soon as it is refused is slowed by a later answer. Clients that come
whether or not earlier ones were answered are not: there every answer is given at once.
"""

from collections import Counter
from itertools import islice
from math import inf

from topfive.server.upload import Upload

# A little less than the time between two ticks.
_WINDOW_S = 0.2
# From so many refusals a second on a new connection is refused by its first line, and closed.
_FLOOD_PER_S = 250.0
# So many to one address are clients that ask again at once; they are, until there are so few.
_HAMMERING_PER_S = 1700.0
_CALM_PER_S = 50.0
_MOST_HELD = 256
# Where more come all the same, holding them is of no use for so long, or until nobody hammers.
_VAIN_S = 30.0


class Flood:
    """What one worker knows of those that it refuses for want of a queue slot.

    `hold_s` is how long an answer is held back; zero seconds: never.
    """

    def __init__(self, hold_s: float) -> None:
        self.is_on = False
        self._hold_s = hold_s
        self._counts: Counter[str] = Counter()
        self._began_s = 0.0
        self._hammering: set[str] = set()
        # In the order they came, which is that of the moments at which they are answered.
        self._held: dict[Upload, None] = {}
        self._vain_until_s = -inf

    def note(self, host: str) -> None:
        """Note that a request from an address is refused."""
        self._counts[host] += 1

    def tick(self, now_s: float) -> None:
        """See from time to time how many are refused in a second, and to whom."""
        span_s = now_s - self._began_s
        if span_s < _WINDOW_S:
            return
        counts, self._counts, self._began_s = self._counts, Counter(), now_s
        self.is_on = counts.total() / span_s >= _FLOOD_PER_S
        self._hammering = {
            host
            for host, count in counts.items()
            if count / span_s >= (_CALM_PER_S if host in self._hammering else _HAMMERING_PER_S)
        }
        if not self._hammering:
            self._vain_until_s = -inf

    @property
    def is_watched(self) -> bool:
        """Whether new connections are looked at first, or their answers held back."""
        return self.is_on or bool(self._hammering)

    def slows(self, host: str, now_s: float) -> bool:
        """Tell whether answers to an address are held back."""
        return host in self._hammering and self._hold_s > 0 and now_s >= self._vain_until_s

    def hold(self, upload: Upload, now_s: float) -> bool:
        """Hold the answer to a request back; False where it was, or where that is of no use."""
        if upload.was_held or not self.slows(upload.host, now_s):
            return False
        if len(self._held) >= _MOST_HELD:
            self._let_go(now_s)
            return False
        self._held[upload] = None
        upload.was_held = True
        upload.expires_s = now_s + self._hold_s
        return True

    def due_in_s(self, now_s: float) -> float:
        """Tell when the next one that is held back is to be answered; infinity: there is none."""
        first = next(iter(self._held), None)
        return inf if first is None else first.expires_s - now_s

    def let_in(self, places: int, now_s: float) -> None:
        """Hold those back no longer who came first, since there is a place for each of them."""
        for upload in islice(self._held, max(0, places)):
            upload.expires_s = now_s

    def leave(self, upload: Upload) -> None:
        """Hold a request back no longer."""
        self._held.pop(upload, None)

    def _let_go(self, now_s: float) -> None:
        self._vain_until_s = now_s + _VAIN_S
        for upload in self._held:
            upload.expires_s = now_s
