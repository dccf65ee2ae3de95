"""When a picture of a batch may be worked on beside single ones, without locks or clocks."""

from math import inf

# While single pictures are worked on, a batch gets a turn for so many of them. Measured: with fewer
# the slowest of ten clients' answers take a quarter longer beside a batch of 1000.
SINGLES_PER_TURN = 8
# However many single pictures come, a batch goes on.
LONGEST_WAIT_S = 1.0
# A client that keeps asking sends its next picture within this. Measured with three of them: with
# more than half of the slots taken in between, they get 216 pictures a second instead of 265.
CALM_AFTER_S = 0.02


class BatchTurns:
    """Counts the pictures of batches at work, and what has to pass before the next one.

    Alone, `most` are at work at once. Just after a single picture, `most_beside` are; beside single
    pictures too, and rarely. Callers hold a lock around all calls.
    """

    def __init__(self, most: int, most_beside: int) -> None:
        self.working = 0
        self._most = most
        self._most_beside = most_beside
        self._singles = 0
        self._began_s = -inf
        self._last_single_s = -inf

    def single_finished(self, now_s: float) -> None:
        """Note that a single picture is no longer at work."""
        self._singles += 1
        self._last_single_s = now_s

    def may_start(self, has_singles: bool, now_s: float) -> bool:
        """Tell whether one more may be worked on now."""
        if not has_singles:
            is_calm = now_s - self._last_single_s >= CALM_AFTER_S
            return self.working < (self._most if is_calm else self._most_beside)
        is_due = self._singles >= SINGLES_PER_TURN or now_s - self._began_s >= LONGEST_WAIT_S
        return is_due and self.working < self._most_beside

    def start(self, now_s: float) -> None:
        """Note that one is worked on."""
        self.working += 1
        self._singles = 0
        self._began_s = now_s

    def finish(self) -> None:
        """Note that one is no longer worked on."""
        self.working -= 1
