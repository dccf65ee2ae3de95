"""What is answered with is what the shapes declare."""

import pytest
from pydantic_core import from_json, to_json

from topfive.api.schemas import PredictionOut, prediction_members, prediction_out
from topfive.predictions import ClassScore, Heatmap, ImageInfo, ModelRef, Prediction, Timings


def prediction(*, is_degraded: bool = False, heatmap: Heatmap | None = None) -> Prediction:
    """Make a prediction of two classes."""
    return Prediction(
        ModelRef("mobilenet_v2", "imagenet1k-v2"),
        (ClassScore(281, "tabby", 0.8312345678), ClassScore(7, "Äpfel", 0.1)),
        ImageInfo("JPEG", 500, 375),
        Timings(0.0, 1.234, 0.5, 2.0, 4.0),
        is_degraded,
        heatmap,
    )


@pytest.mark.parametrize("is_degraded", [False, True])
@pytest.mark.parametrize("heatmap", [None, Heatmap(281, 80, 60, b"PNG")])
def test_an_answer_has_the_declared_shape(is_degraded: bool, heatmap: Heatmap | None) -> None:
    """It is written without the shape, and no member is missing, unknown or of another type."""
    found = prediction(is_degraded=is_degraded, heatmap=heatmap)
    written = to_json(prediction_members(found, "an-id"))
    read = PredictionOut.model_validate_json(written, strict=True)
    assert read == prediction_out(found, "an-id")
    assert from_json(written) == read.model_dump(mode="json", exclude_none=True)


def test_what_is_not_there_is_left_out() -> None:
    """Neither a heatmap nor that no fallback answers is mentioned."""
    assert prediction_members(prediction(), "an-id").keys() == {
        "request_id", "model", "predictions", "image", "timing_ms",
    }  # fmt: skip
