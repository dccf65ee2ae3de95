"""The shapes of kept predictions and their labels on the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from topfive.api.schemas import ClassOut, ModelOut, Shape
from topfive.errors import InvalidParameter
from topfive.history.contract import GivenLabel, HistoryPage
from topfive.history.records import KeptPrediction, Label, LabelSource
from topfive.predictions import CacheStatus, Timings

# What the whole numbers of both databases hold.
MOST_CLASS_ID = 2**31 - 1

_Source = Literal["person", "system"]


class PredictionPath(BaseModel):
    """Which prediction is meant."""

    id: str = Field(
        description="The prediction's id, as the header `X-Prediction-ID` of its answer told it.",
        json_schema_extra={"format": "uuid"},
    )


class LabelIn(Shape):
    """What a picture really shows: a class by its id or by its name."""

    class_id: int | None = Field(None, ge=0, le=MOST_CLASS_ID)
    class_name: str | None = Field(None, min_length=1, max_length=500)
    source: _Source = Field("person", description="Who says so.")

    def given(self) -> GivenLabel:
        """Say it in the history's terms; raises InvalidParameter unless it names one class."""
        if (self.class_id is None) == (self.class_name is None):
            raise InvalidParameter("Give either `class_id` or `class_name`, and not both.")
        return GivenLabel(LabelSource(self.source), self.class_id, self.class_name)


class KeptTimingOut(Shape):
    """Where the time went, in milliseconds."""

    queue: float
    decode: float
    preprocess: float
    inference: float
    total: float


class LabelOut(Shape):
    """What the picture really shows."""

    class_id: int = Field(ge=0)
    class_name: str
    rank: int | None = Field(
        description="Its place among the kept classes, from 1. Null: it is not among them."
    )
    source: _Source
    labelled_at: datetime


class KeptPredictionOut(Shape):
    """One prediction as the history has it."""

    id: str = Field(json_schema_extra={"format": "uuid"})
    created_at: datetime
    request_id: str
    position: int = Field(description="Counts the pictures of one request from 0.")
    picture_sha256: str | None = Field(description="Null: prepared pixels were sent.")
    model: ModelOut
    model_digest: str
    route: str = Field(description="The HTTP route that was called.")
    alias: str | None = Field(description="The model route that chose the model. Null: none did.")
    predictions: list[ClassOut]
    timing_ms: KeptTimingOut
    cache: str | None = Field(description="What the cache did. Null: there was none.")
    degraded: bool = Field(description="Whether the fallback model answered.")
    api_key_id: str | None = Field(description="The beginning of the API key's digest.")
    label: LabelOut | None


class HistoryPageOut(Shape):
    """Some predictions, and what asks for the next ones."""

    predictions: list[KeptPredictionOut]
    next_cursor: str | None = Field(description="Null: there are no more.")


def kept_prediction_out(kept: KeptPrediction) -> KeptPredictionOut:
    """Shape one prediction for the wire."""
    return KeptPredictionOut.model_validate(_members(kept))


def history_page_out(page: HistoryPage, next_cursor: str | None) -> HistoryPageOut:
    """Shape a page for the wire."""
    # One call for all of it: fifteen hundred shapes made one by one take longer.
    return HistoryPageOut.model_validate(
        {"predictions": [_members(one) for one in page.predictions], "next_cursor": next_cursor}
    )


def _members(kept: KeptPrediction) -> dict[str, Any]:
    record = kept.record
    return {
        "id": str(record.id),
        "created_at": record.at,
        "request_id": record.request_id,
        "position": record.position,
        "picture_sha256": record.picture_sha256.hex() if record.picture_sha256 else None,
        "model": {"name": record.model.name, "version": record.model.version},
        "model_digest": record.model.digest,
        "route": record.route,
        "alias": record.alias or None,
        "predictions": [
            {
                "class_id": one.class_id,
                "class_name": one.class_name,
                "confidence": round(one.confidence, 6),
            }
            for one in record.classes
        ],
        "timing_ms": _timing_members(record.timings),
        "cache": None if record.cache is CacheStatus.NONE else record.cache.value,
        "degraded": record.is_degraded,
        "api_key_id": record.key_id or None,
        "label": kept.label and _label_members(kept.label),
    }


def _timing_members(timings: Timings) -> dict[str, float]:
    return {
        "queue": round(timings.queue_ms, 2),
        "decode": round(timings.decode_ms, 2),
        "preprocess": round(timings.preprocess_ms, 2),
        "inference": round(timings.inference_ms, 2),
        "total": round(timings.total_ms, 2),
    }


def _label_members(label: Label) -> dict[str, Any]:
    return {
        "class_id": label.class_id,
        "class_name": label.class_name,
        "rank": label.rank,
        "source": label.source.value,
        "labelled_at": label.at,
    }
