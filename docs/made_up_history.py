"""Writes three weeks of made-up predictions, a third of them labelled, for pictures of /review."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from topfive.history.contract import GivenLabel, HistoryQuery
from topfive.history.database import open_database
from topfive.history.ids import first_id_at
from topfive.history.kept import KeptHistory
from topfive.history.records import KEPT_CLASSES, LabelSource, PredictionRecord
from topfive.history.writing import write_records
from topfive.predictions import ClassScore

DAYS, PREDICTIONS_A_DAY, LABELS_A_DAY = 21, 240, 30
MISSED = 0.05
SEED = 47


def write_history(url: str) -> None:
    """Write them behind what the database has, of the model that made its newest prediction."""
    database, draw = open_database(url), random.Random(SEED)  # noqa: S311 - made up, no secret
    history = KeptHistory(database)
    (newest,) = history.list(HistoryQuery(limit=1)).predictions
    records = list(made_up(newest.record, draw))
    write_records(database, records)
    for one in records:
        if draw.random() < LABELS_A_DAY / PREDICTIONS_A_DAY:
            class_id = made_up_truth(one, draw)
            history.set_label(one.id, GivenLabel(LabelSource.PERSON, class_id=class_id))
    database.close()


def made_up(like: PredictionRecord, draw: random.Random) -> Iterator[PredictionRecord]:
    """Make up predictions like one that was made, of all days before it."""
    today = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    for number in range(DAYS * PREDICTIONS_A_DAY):
        day, minute = divmod(number, PREDICTIONS_A_DAY)
        at = today - timedelta(days=DAYS - day) + timedelta(minutes=minute)
        yield replace(
            like,
            id=UUID(int=first_id_at(at).int + number),
            at=at,
            request_id=f"made-up-{number}",
            picture_sha256=sha256(str(number).encode()).digest(),
            classes=made_up_classes(like.model.classes, draw),
        )


def made_up_truth(record: PredictionRecord, draw: random.Random) -> int:
    """Make up what a picture shows: as often what the model says as it is sure of it."""
    if draw.random() < MISSED:
        return draw.randrange(len(record.model.classes))
    weights = [one.confidence for one in record.classes]
    return draw.choices(record.classes, weights)[0].class_id


def made_up_classes(names: tuple[str, ...], draw: random.Random) -> tuple[ClassScore, ...]:
    """Make up the five most likely classes: mostly one of which the model is rather sure."""
    shares = sorted((draw.random() ** 6 for _ in range(KEPT_CLASSES)), reverse=True)
    rest = sum(shares) * 1.04
    ids = draw.sample(range(len(names)), KEPT_CLASSES)
    return tuple(
        ClassScore(one, names[one], share / rest) for one, share in zip(ids, shares, strict=True)
    )
