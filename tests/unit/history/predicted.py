"""Predictions as they are made, for tests of what takes them down."""

from topfive.history.ids import make_id, time_of
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.predictions import CacheStatus, ClassScore, Timings

MODEL = RecordedModel("tiny", "1", "ab" * 32, tuple(f"class {number}" for number in range(10)))


def record(position=0, request_id="request-1"):
    """Make a record that is told from others by its position."""
    made = make_id()
    return PredictionRecord(
        id=made,
        at=time_of(made),
        request_id=request_id,
        position=position,
        picture_sha256=bytes(32),
        model=MODEL,
        route="/predict",
        alias="",
        classes=tuple(ClassScore(one, f"class {one}", 0.5 / (one + 1)) for one in range(5)),
        timings=Timings(0.1, 1.0, 0.5, 2.0, 3.6),
        cache=CacheStatus.NONE,
        is_degraded=False,
        key_id="",
    )
