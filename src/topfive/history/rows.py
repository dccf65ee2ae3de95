"""Turns what is kept of a prediction into a row, and a row into what is kept."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, String

from topfive.history.records import (
    KeptPrediction,
    Label,
    LabelSource,
    PredictionRecord,
    RecordedModel,
)
from topfive.history.schema import MODELS, PREDICTIONS
from topfive.predictions import CacheStatus, ClassScore, Timings

Row = dict[str, Any]


def to_row(record: PredictionRecord, model_id: int) -> Row:
    """Make the row of a prediction without a label."""
    best = record.classes[0]
    timings = record.timings
    return {
        "id": record.id,
        "at": record.at.astimezone(UTC),
        "request_id": _fit(record.request_id, "request_id"),
        "position": record.position,
        "picture_sha256": record.picture_sha256,
        "model_id": model_id,
        "route": _fit(record.route, "route"),
        "alias": _fit(record.alias, "alias"),
        "class_id": best.class_id,
        "confidence": best.confidence,
        "classes": [[one.class_id, one.confidence] for one in record.classes],
        "queue_ms": timings.queue_ms,
        "decode_ms": timings.decode_ms,
        "preprocess_ms": timings.preprocess_ms,
        "inference_ms": timings.inference_ms,
        "total_ms": timings.total_ms,
        "cache": record.cache.value,
        "is_degraded": record.is_degraded,
        "key_id": _fit(record.key_id, "key_id"),
    }


def to_model_row(model: RecordedModel) -> Row:
    """Make the row of a version of a model."""
    return {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "classes": list(model.classes),
    }


def to_model(row: RowMapping) -> RecordedModel:
    """Read the row of a version of a model."""
    named = (row[MODELS.c.name], row[MODELS.c.version], row[MODELS.c.digest])
    return RecordedModel(*named, tuple(row[MODELS.c.classes]))


def to_kept(row: RowMapping, model: RecordedModel) -> KeptPrediction:
    """Read the row of a prediction of `model`."""
    record = PredictionRecord(
        id=row["id"],
        at=in_utc(row["at"]),
        request_id=row["request_id"],
        position=row["position"],
        picture_sha256=row["picture_sha256"],
        model=model,
        route=row["route"],
        alias=row["alias"],
        classes=tuple(
            ClassScore(class_id, class_name(model, class_id), confidence)
            for class_id, confidence in row["classes"]
        ),
        timings=Timings(
            row["queue_ms"],
            row["decode_ms"],
            row["preprocess_ms"],
            row["inference_ms"],
            row["total_ms"],
        ),
        cache=CacheStatus(row["cache"]),
        is_degraded=row["is_degraded"],
        key_id=row["key_id"],
    )
    return KeptPrediction(record, _label(row, model))


def class_name(model: RecordedModel, class_id: int) -> str:
    """Give the name of a class; its number where the version has none for it."""
    known = 0 <= class_id < len(model.classes)
    return model.classes[class_id] if known else str(class_id)


def is_storable(text: str) -> bool:
    """Whether both databases can hold a text: no surrogate alone, and no NUL for PostgreSQL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def in_utc(at: datetime) -> datetime:
    """Give a time of a row its time zone: SQLite keeps none, and all are in UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _label(row: RowMapping, model: RecordedModel) -> Label | None:
    class_id = row["label_class_id"]
    if class_id is None:
        return None
    return Label(
        class_id=class_id,
        class_name=class_name(model, class_id),
        source=LabelSource(row["label_source"]),
        at=in_utc(row["labelled_at"]),
        rank=row["label_rank"] or None,
    )


def _fit(text: str, column: str) -> str:
    """Cut a text to what its column holds, so that no single one stops what is written with it."""
    if not text.isascii() or "\0" in text:
        text = text.encode(errors="replace").decode().replace("\0", "?")
    return text[: _LENGTHS[column]]


_LENGTHS = {one.name: one.type.length for one in PREDICTIONS.c if isinstance(one.type, String)}
