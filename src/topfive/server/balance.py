"""Workers know each other's number of connections, and leave new ones to whoever has fewer.

A client that keeps its connection stays with one worker. Ten could all land on one of two, and a
core would idle.
"""

from mmap import mmap
from time import monotonic

# Workers beyond so many share places on the board, and are balanced less well.
_PLACES = 128
_BYTES = 4
# A kept connection is ended only where that evens things out, and not all at once.
_FAR = 2
_END_EVERY_S = 0.05
# So much of another worker's connections one may have more, before that one gets the next.
_TOLERATED_PART = 4


def make_board() -> mmap:
    """Make the memory in which workers note their connections, before they are forked."""
    return mmap(-1, _PLACES * _BYTES)


def clear(board: mmap, number: int) -> None:
    """Take a worker that has ended off the board."""
    with memoryview(board).cast("i") as counts:
        counts[number % _PLACES] = 0


class Balance:
    """One worker's view of the board; `number` is its own, unlike those of the others."""

    def __init__(self, board: mmap, number: int) -> None:
        # Zero stands for no worker, so each notes one more than it has.
        self._counts = memoryview(board).cast("i")
        self._place = number % _PLACES
        self._ended_s = 0.0
        self.note(0)

    def note(self, connections: int) -> None:
        """Note how many connections this worker has."""
        self._counts[self._place] = connections + 1

    def leave(self) -> None:
        """Take this worker off the board: it accepts no more."""
        self._counts[self._place] = 0

    def is_above_others(self) -> bool:
        """Tell whether another worker has so many fewer connections that it should get new ones.

        Among many connections some more do no harm, and leaving each to another would take time.
        """
        least = self._least()
        return self._own - least > least // _TOLERATED_PART

    def should_end_one(self) -> bool:
        """Tell whether to end a kept connection, so that another worker gets it."""
        now_s = monotonic()
        if now_s - self._ended_s < _END_EVERY_S:
            return False
        least = self._least()
        if self._own - least < max(_FAR, least // _TOLERATED_PART):
            return False
        self._ended_s = now_s
        return True

    @property
    def _own(self) -> int:
        return self._counts[self._place] - 1

    def _least(self) -> int:
        return min(filter(None, self._counts.tolist()), default=1) - 1
