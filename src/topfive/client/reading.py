"""Reads the service's JSON into values. Keys that are not known are passed over.

Whatever is missing or of another type ends as KeyError, TypeError or ValueError: see `reading_as`.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from topfive.client.errors import NotTopfive, Refused
from topfive.client.results import (
    BatchHead,
    ClassScore,
    Health,
    Heatmap,
    ImageInfo,
    Limits,
    ModelRef,
    Models,
    ModelState,
    Prediction,
    Rollback,
    Route,
    Shadow,
    Target,
    Timings,
    WorkerState,
)

_ALONE = BatchHead()


@contextmanager
def reading_as(what: str) -> Iterator[None]:
    """Raise NotTopfive for JSON that cannot be read where `what` was expected."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise NotTopfive(
            f"The answer is not {what} as this client knows it. Is the address right, and is the "
            "client as new as the service?"
        ) from error


def read_prediction(found: Any, head: BatchHead = _ALONE) -> Prediction:
    """Read one prediction; what it does not tell itself stands in the head of its batch."""
    with reading_as("a prediction"):
        timing, image = found["timing_ms"], found["image"]
        predictions = tuple(map(_class_score, found["predictions"]))
        if not predictions:
            raise ValueError("no class")
        return Prediction(
            request_id=str(found.get("request_id", head.request_id)),
            model=_model_ref(found["model"]) if "model" in found else head.model,
            predictions=predictions,
            image=ImageInfo(str(image["format"]), int(image["width"]), int(image["height"])),
            timing_ms=Timings(*(float(timing[key]) for key in _TIMINGS)),
            degraded=found.get("degraded", head.degraded) is True,
            heatmap=_heatmap(found["heatmap"]) if found.get("heatmap") else None,
        )


def read_picture_error(found: Any, head: BatchHead = _ALONE) -> Refused:
    """Read why one picture of a batch was refused."""
    with reading_as("a result"):
        code = str(found["code"])
        retry_after_s = head.quota_reset_s if code == "rate_limited" else None
        return Refused(
            code,
            str(found["detail"]),
            request_id=head.request_id,
            retry_after_s=retry_after_s,
        )


def read_health(found: Any) -> Health:
    """Read how the service is."""
    with reading_as("a service's health"):
        return Health(
            status=str(found["status"]),
            model_loaded=found["model_loaded"] is True,
            model=str(found["model"]),
            model_version=_text(found["model_version"]),
            uptime_seconds=float(found["uptime_seconds"]),
            timestamp=datetime.fromisoformat(found["timestamp"]),
            reason=_text(found.get("reason")),
        )


def read_models(found: Any) -> Models:
    """Read all models and routes."""
    with reading_as("a list of models"):
        return Models(
            generation=int(found["generation"]),
            settled=found["settled"] is True,
            models=tuple(map(_model_state, found["models"])),
            routes={str(alias): _route(route) for alias, route in found["routes"].items()},
        )


def read_limits(found: Any) -> Limits:
    """Read what the service takes, from what it tells of itself."""
    with reading_as("what a service tells of itself"):
        limits = found["limits"]
        return Limits(
            max_upload_bytes=int(limits["max_upload_bytes"]),
            batch_max_pictures=int(limits.get("batch_max_pictures", 0)),
            batch_max_bytes=int(limits.get("batch_max_bytes", 0)),
        )


_TIMINGS = ("queue", "decode", "inference", "total")


def _class_score(found: Any) -> ClassScore:
    return ClassScore(int(found["class_id"]), str(found["class_name"]), float(found["confidence"]))


def _model_ref(found: Any) -> ModelRef:
    return ModelRef(str(found["name"]), str(found["version"]))


def _heatmap(found: Any) -> Heatmap:
    png = b64decode(found["png"], validate=True)
    return Heatmap(int(found["class_id"]), int(found["width"]), int(found["height"]), png)


def _model_state(found: Any) -> ModelState:
    memory_bytes = found["memory_bytes"]
    return ModelState(
        name=str(found["name"]),
        version=str(found["version"]),
        digest=str(found["digest"]),
        architecture=str(found["architecture"]),
        num_classes=int(found["num_classes"]),
        state=str(found["state"]),
        reason=_text(found["reason"]),
        active=found["active"] is True,
        pinned=found["pinned"] is True,
        routes=tuple(map(str, found["routes"])),
        memory_bytes=None if memory_bytes is None else int(memory_bytes),
        engine=_text(found["engine"]),
        precision=_text(found["precision"]),
        metrics={str(name): float(value) for name, value in found["metrics"].items()},
        workers=tuple(map(_worker_state, found.get("workers", ()))),
    )


def _worker_state(found: Any) -> WorkerState:
    return WorkerState(int(found["worker"]), str(found["state"]), _text(found["reason"]))


def _route(found: Any) -> Route:
    shadow = found["shadow"]
    return Route(
        targets=tuple(
            Target(str(one["model"]), _text(one["version"]), int(one["weight"]))
            for one in found["targets"]
        ),
        shadow=None if shadow is None else Shadow(str(shadow["model"]), _text(shadow["version"])),
        rolled_back=tuple(map(_rollback, found["rolled_back"])),
    )


def _rollback(found: Any) -> Rollback:
    at = datetime.fromisoformat(found["at"])
    return Rollback(str(found["model"]), str(found["version"]), str(found["reason"]), at)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
