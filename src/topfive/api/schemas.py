"""The shapes on the wire, declared once: they validate, make the answers and the documentation."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from topfive.api.caching import cache_headers
from topfive.errors import Failure
from topfive.predictions import Heatmap, Prediction, PredictionOptions, Timings

# Where the failures are described; each has its code as an anchor there.
DOCS_PATH = "/docs/errors"
DEGRADED_HEADER = "X-Topfive-Degraded"
# On batches, whose lines do not name it.
MODEL_HEADER = "X-Topfive-Model"
# Of one picture whose prediction is kept: what the history knows it by.
PREDICTION_ID_HEADER = "X-Prediction-ID"


class Shape(BaseModel):
    """A base for shapes that are answered with: fixed keys, none other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PredictFields(BaseModel):
    """What may be asked of a prediction, in the query or as fields of the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    top_k: int = Field(5, ge=1, le=100, description="How many classes to answer with, best first.")
    model: str | None = Field(
        None, max_length=200, description="The model to use, if not the default one."
    )
    version: str | None = Field(
        None,
        max_length=200,
        description="Its version, `latest`, or `sha256:` and digits of its digest. The active "
        "one if left out.",
    )
    explain: Literal["heatmap"] | None = Field(
        None, description="`heatmap`: tell where in the picture the best class was seen."
    )

    def options(self, route_key: str = "") -> PredictionOptions:
        """Say it in the service's terms."""
        return PredictionOptions(
            self.top_k, self.model, self.version, route_key, explains=self.explain is not None
        )


class ModelOut(Shape):
    """Which model answered."""

    name: str
    version: str


class ClassOut(Shape):
    """One class and the model's confidence in it."""

    class_id: int = Field(ge=0)
    class_name: str
    confidence: float = Field(ge=0, le=1)


class ImageOut(Shape):
    """The picture as it was understood, upright."""

    format: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class HeatmapOut(Shape):
    """Where in the upright picture the best class was seen: a grayscale PNG, brightest there."""

    class_id: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    png: str = Field(description="The PNG in base64. It has the picture's aspect ratio.")


class TimingOut(Shape):
    """Where the time went, in milliseconds."""

    queue: float
    decode: float
    inference: float
    total: float


class PredictionOut(Shape):
    """The most likely classes of one picture, best first."""

    request_id: str
    model: ModelOut
    predictions: list[ClassOut]
    image: ImageOut
    timing_ms: TimingOut
    degraded: bool | SkipJsonSchema[None] = Field(
        default=None, description="There, and true, while the fallback model stands in."
    )
    heatmap: HeatmapOut | SkipJsonSchema[None] = Field(
        default=None, description="There where `explain=heatmap` asks for it."
    )


class HealthOut(Shape):
    """Whether the service can classify, and with what."""

    status: Literal["healthy", "degraded", "unavailable"]
    model_loaded: bool
    model: str
    model_version: str | None
    uptime_seconds: float
    timestamp: datetime
    reason: str | None = None


class ProbeOut(Shape):
    """The answer to a liveness or readiness probe."""

    status: Literal["alive", "ready", "not_ready"]


class InputOut(Shape):
    """How pictures are prepared for the model."""

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class RefusedEngineOut(Shape):
    """An engine that was tried before the one that serves, and why it does not."""

    engine: str
    precision: str
    reason: str


class ModelInfoOut(Shape):
    """The served model."""

    name: str
    version: str
    architecture: str
    source: str
    sha256: str
    num_classes: int
    input: InputOut
    engine: str
    precision: str
    device: str
    heatmap: bool = Field(description="Whether `explain=heatmap` can be asked for.")
    refused_engines: list[RefusedEngineOut]
    metrics: dict[str, float]


class LimitsOut(Shape):
    """What one request and one client may cost."""

    max_upload_bytes: int
    max_pixels: int
    request_timeout_s: float
    rate_limit: str | None
    formats: list[str]
    batch_max_pictures: int
    batch_max_bytes: int


class InfoOut(Shape):
    """What this service is made of; `model` is null while none is loaded."""

    name: str
    version: str
    status: Literal["healthy", "degraded", "unavailable"]
    reason: str | None
    wanted_model: str
    model: ModelInfoOut | None
    workers: int
    slots: int
    queue: int
    threads: int
    sizing_reason: str
    limits: LimitsOut


class IndexOut(Shape):
    """What this is and where to go."""

    name: str
    version: str
    links: dict[str, str]


class Problem(Shape):
    """A failure, as RFC 9457 shapes it; `code` is one of the words in the documentation."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def prediction_out(prediction: Prediction, request_id: str) -> PredictionOut:
    """Shape a prediction for the wire."""
    return PredictionOut.model_validate(prediction_members(prediction, request_id))


def prediction_members(prediction: Prediction, request_id: str) -> dict[str, Any]:
    """Write a prediction by the names that it has on the wire, as PredictionOut declares them."""
    model = prediction.model
    degraded = {"degraded": True} if prediction.is_degraded else {}
    return {
        "request_id": request_id,
        "model": {"name": model.name, "version": model.version},
        **picture_members(prediction),
        **degraded,
    }


def picture_members(prediction: Prediction) -> dict[str, Any]:
    """Write what was found in one picture, by the names that it has on the wire."""
    image, timings = prediction.image, prediction.timings
    heatmap = {"heatmap": _heatmap_members(prediction.heatmap)} if prediction.heatmap else {}
    return {
        "predictions": [
            {
                "class_id": one.class_id,
                "class_name": one.class_name,
                "confidence": round(one.confidence, 6),
            }
            for one in prediction.classes
        ],
        "image": {"format": image.format, "width": image.width, "height": image.height},
        "timing_ms": {
            "queue": round(timings.queue_ms, 2),
            "decode": round(timings.decode_ms + timings.preprocess_ms, 2),
            "inference": round(timings.inference_ms, 2),
            "total": round(timings.total_ms, 2),
        },
        **heatmap,
    }


def _heatmap_members(heatmap: Heatmap) -> dict[str, Any]:
    return {
        "class_id": heatmap.class_id,
        "width": heatmap.width,
        "height": heatmap.height,
        "png": b64encode(heatmap.png).decode(),
    }


def prediction_headers(*predictions: Prediction) -> dict[str, str]:
    """Make the headers that say how long predictions took together, what a cache did for one and
    by which id it is kept, and that a fallback answered.
    """
    told = server_timing([one.timings for one in predictions])
    is_degraded = any(one.is_degraded for one in predictions)
    degraded = {DEGRADED_HEADER: "true"} if is_degraded else {}
    return (
        {"Server-Timing": told} | degraded | _id_header(*predictions) | cache_headers(*predictions)
    )


def _id_header(*predictions: Prediction) -> dict[str, str]:
    """Name the one prediction that is kept; of several the request's id is enough."""
    kept = predictions[0].id if len(predictions) == 1 else None
    return {PREDICTION_ID_HEADER: str(kept)} if kept else {}


def server_timing(timings: Sequence[Timings]) -> str:
    """Say how long predictions took together, in the form of W3C's Server Timing."""
    steps = {
        "queue": sum(one.queue_ms for one in timings),
        "decode": sum(one.decode_ms + one.preprocess_ms for one in timings),
        "inference": sum(one.inference_ms for one in timings),
        "total": sum(one.total_ms for one in timings),
    }
    return ", ".join(f"{name};dur={value:.2f}" for name, value in steps.items())


def problem_out(failure: Failure, request_id: str) -> Problem:
    """Shape a failure for the wire."""
    return Problem(
        type=f"{DOCS_PATH}#{failure.code}",
        title=failure.title,
        status=failure.status,
        detail=failure.detail,
        code=failure.code,
        request_id=request_id,
    )
