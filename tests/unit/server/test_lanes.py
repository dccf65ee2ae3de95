"""What a lane tells of itself beyond who is next."""

import pytest

from topfive.server.lanes import BatchLane
from topfive.server.upload import Upload


def run_batches(lane: BatchLane, *seconds: float) -> None:
    """Have batches at work, each for so many seconds."""
    now_s = 0.0
    for took_s in seconds:
        lane.note_long_work(now_s)
        upload = Upload()
        lane.waiting.append(upload)
        lane.start(now_s)
        now_s += took_s
        lane.note_long_work(now_s)
        lane.finish(upload)


@pytest.mark.parametrize(
    ("seconds", "retry_after_s"),
    [((), 1), ((0.1, 0.1), 1), ((10.0, 20.0), 8), ((300.0,), 60), ((500.0, *[4.0] * 8), 2)],
)
def test_a_refused_batch_is_told_when_to_come_back(
    seconds: tuple[float, ...], retry_after_s: int
) -> None:
    """As one of two at work ends, by the time that the last eight took; a minute at most."""
    lane = BatchLane(limit=2, most_waiting=8)
    run_batches(lane, *seconds)
    assert lane.overloaded().retry_after_s == retry_after_s
