"""The shapes of a batch's answer: a result for each picture, in their order."""

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from topfive.api.schemas import (
    ClassOut,
    HeatmapOut,
    ImageOut,
    ModelOut,
    Shape,
    TimingOut,
    picture_members,
)
from topfive.errors import Failure
from topfive.predictions import Prediction


class ErrorOut(Shape):
    """Why a picture has no prediction; `code` is one of the words in the documentation."""

    code: str
    detail: str


class ClassifiedOut(Shape):
    """The most likely classes of one picture of a batch, best first."""

    index: int = Field(ge=0, description="The picture's place in the batch, from 0.")
    ok: Literal[True]
    predictions: list[ClassOut]
    image: ImageOut
    timing_ms: TimingOut
    heatmap: HeatmapOut | SkipJsonSchema[None] = Field(
        default=None, description="There where `explain=heatmap` asks for it."
    )


class FailedOut(Shape):
    """A picture of a batch that has no prediction, and why."""

    index: int = Field(ge=0, description="The picture's place in the batch, from 0.")
    ok: Literal[False]
    error: ErrorOut


class BatchOut(Shape):
    """One result for each picture, in their order."""

    request_id: str
    model: ModelOut
    results: list[ClassifiedOut | FailedOut]
    degraded: bool | SkipJsonSchema[None] = Field(
        default=None, description="There, and true, while the fallback model stands in."
    )


def result_out(index: int, result: Prediction | Failure) -> ClassifiedOut | FailedOut:
    """Shape what became of one picture for the wire."""
    if isinstance(result, Failure):
        error = ErrorOut(code=result.code, detail=result.detail)
        return FailedOut(index=index, ok=False, error=error)
    return ClassifiedOut.model_validate({"index": index, "ok": True, **picture_members(result)})
