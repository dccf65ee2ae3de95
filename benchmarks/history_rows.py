"""Draws the predictions of a long history: some classes often, most of them sure."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from topfive.history.ids import first_id_at
from topfive.history.records import KEPT_CLASSES, PredictionRecord, RecordedModel
from topfive.predictions import CacheStatus, ClassScore, Timings

ROWS = 1_000_000
CLASSES = 1000
DAYS = 30
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

NAMES = tuple(f"class number {number}" for number in range(CLASSES))
MODELS = tuple(
    RecordedModel("mobilenet_v2", version, digest * 64, NAMES)
    for version, digest in (("1", "a"), ("2", "b"), ("3", "c"))
)
# Percent of the predictions.
SHARES = (60, 39.9, 0.1)


def draw_records(begin: int, end: int, chance: random.Random) -> Sequence[PredictionRecord]:
    """Draw predictions by their numbers; ROWS of them are spread over DAYS."""
    return [
        _draw(BEGIN + number * timedelta(days=DAYS) / ROWS, chance) for number in range(begin, end)
    ]


def _draw(at: datetime, chance: random.Random) -> PredictionRecord:
    best = min(int(chance.expovariate(8 / CLASSES)), CLASSES - 1)
    confidence = round(chance.betavariate(4, 1.2), 6)
    ids = [(best + 7 * place) % CLASSES for place in range(KEPT_CLASSES)]
    scores = [
        confidence,
        *(round((1 - confidence) / 2**place, 6) for place in range(1, KEPT_CLASSES)),
    ]
    return PredictionRecord(
        id=UUID(int=first_id_at(at).int + chance.getrandbits(62)),
        at=at,
        request_id=f"{chance.getrandbits(128):032x}",
        position=0,
        picture_sha256=chance.randbytes(32),
        model=chance.choices(MODELS, SHARES)[0],
        route="/predict",
        alias="default",
        classes=tuple(
            ClassScore(one, NAMES[one], score) for one, score in zip(ids, scores, strict=True)
        ),
        timings=Timings(0.1, 2.3, 1.0, 4.1, 7.6),
        cache=CacheStatus.NONE,
        is_degraded=False,
        key_id="5e884898",
    )
