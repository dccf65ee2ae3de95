"""When a picture of a batch gets its turn: the promises, by a table and by chance."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from topfive.concurrency.batch_turns import (
    CALM_AFTER_S,
    LONGEST_WAIT_S,
    SINGLES_PER_TURN,
    BatchTurns,
)


def turns_after(most: int, most_beside: int, started: int, singles: int) -> BatchTurns:
    """Make turns of which some have started at 10 s, and single pictures have finished since."""
    turns = BatchTurns(most, most_beside)
    for _ in range(started):
        turns.start(10.0)
    for _ in range(singles):
        turns.single_finished(10.0)
    return turns


@pytest.mark.parametrize(
    ("promise", "most_beside", "started", "singles", "has_singles", "now_s", "may_start"),
    [
        ("alone a batch uses every slot", 1, 3, 0, False, 10.0, True),
        ("and no more", 1, 4, 0, False, 99.0, False),
        ("just after a single one another may follow", 1, 1, 9, False, 10.0, False),
        ("so one of a batch may start", 1, 0, 9, False, 10.0, True),
        ("and more once none has followed", 1, 1, 9, False, 10.0 + 2 * CALM_AFTER_S, True),
        ("the first picture need not wait", 1, 0, 0, True, 10.0, True),
        ("beside single ones the next one waits", 2, 1, SINGLES_PER_TURN - 1, True, 10.9, False),
        ("until so many have finished", 2, 1, SINGLES_PER_TURN, True, 10.0, True),
        ("or long enough has passed", 2, 1, 0, True, 10.0 + LONGEST_WAIT_S, True),
        ("but never more than half at once", 2, 2, 99, True, 99.0, False),
        ("what began before single pictures came counts too", 1, 4, 99, True, 99.0, False),
    ],
)  # fmt: skip
def test_a_turn(
    promise: str, most_beside: int, started: int, singles: int, has_singles: bool, now_s: float,
    may_start: bool,
) -> None:  # fmt: skip
    """Each row's turn is given or not, as its promise says."""
    turns = turns_after(4, most_beside, started, singles)
    assert turns.may_start(has_singles, now_s) == may_start, promise


class Turns(RuleBasedStateMachine):
    """Lets pictures of batches and single ones come and go at random, and counts beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = BatchTurns(4, 2)
        self.now_s = 0.0
        self.began_s: list[float] = []
        self.singles_since = 0
        self.working = 0

    @rule(has_singles=st.booleans())
    def ask(self, has_singles: bool) -> None:
        """A picture of a batch asks for its turn, and takes it."""
        if not self.turns.may_start(has_singles, self.now_s):
            return
        if has_singles and self.began_s:
            passed_s = self.now_s - self.began_s[-1]
            assert self.singles_since >= SINGLES_PER_TURN or passed_s >= LONGEST_WAIT_S
            assert self.working < 2
        self.turns.start(self.now_s)
        self.began_s.append(self.now_s)
        self.working += 1
        self.singles_since = 0

    @rule(count=st.integers(1, 10))
    def finish_singles(self, count: int) -> None:
        """Single pictures finish."""
        for _ in range(count):
            self.turns.single_finished(self.now_s)
        self.singles_since += count

    @rule()
    def finish(self) -> None:
        """A picture of a batch is done."""
        if self.working:
            self.turns.finish()
            self.working -= 1

    @rule(passed_s=st.sampled_from([0.0, 0.01, 0.3, 1.0]))
    def let_time_pass(self, passed_s: float) -> None:
        """Time passes."""
        self.now_s += passed_s

    @invariant()
    def counts_are_right(self) -> None:
        """As many are at work as have started and not finished, and never too many."""
        assert self.turns.working == self.working <= 4

    @invariant()
    def nobody_starves(self) -> None:
        """With a place free, one may start soon, whatever has passed."""
        may_start = self.turns.may_start(True, self.now_s + 1.1 * LONGEST_WAIT_S)
        assert may_start == (self.working < 2)


Turns.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, derandomize=True, database=None
)
TestTurns = Turns.TestCase
TestTurns.__doc__ = "No sequence of events leaks a turn, gives one too many or starves a batch."
