"""POST /predict: one picture in, its most likely classes out."""

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.request import (
    client_has_gone,
    current_record,
    current_service,
    read_upload,
    require_scope,
)
from topfive.api.schemas import PredictionOut, PredictQuery, prediction_out
from topfive.predictions import Timings

predict_routes = APIBlueprint(
    "predict", __name__, abp_tags=[Tag(name="predict")], abp_responses=ANY_ROUTE
)

# Where keys are set, either header carries one; where none are, neither is asked for.
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_REQUEST_BODY = {
    "required": True,
    "description": "One picture: JPEG, PNG, WebP, GIF, BMP or TIFF; the first frame counts.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "The picture."},
                    "image": {
                        "type": "string",
                        "format": "binary",
                        "description": "Another name for `file`.",
                    },
                },
                "anyOf": [{"required": ["file"]}, {"required": ["image"]}],
            }
        },
        "application/octet-stream": _BINARY,
        "image/*": _BINARY,
    },
}
_CODES = (
    "missing_file", "empty_file", "unsupported_format", "invalid_image", "invalid_parameter",
    "malformed_request", "unauthorized", "forbidden", "model_not_found", "upload_too_slow",
    "file_too_large", "image_too_large", "unsupported_media_type", "rate_limited",
    "internal_error", "overloaded", "model_unavailable", "shutting_down", "out_of_memory",
    "deadline_exceeded",
)  # fmt: skip


@predict_routes.before_request
def _check_key() -> None:
    """Ask for a key before the query and the body are looked at, but not before a preflight."""
    if request.method != "OPTIONS":
        require_scope("predict")


@predict_routes.post(
    "/predict",
    responses={200: PredictionOut, **problem_responses(*_CODES)},
    openapi_extensions={"requestBody": _REQUEST_BODY},
    security=[{}, {"bearer": []}, {"api_key": []}],
)
def predict(query: PredictQuery) -> Response:
    """Classify one picture."""
    record = current_record()
    prediction = current_service().predict(
        read_upload(request),
        record.deadline,
        query.top_k,
        client_has_gone,
        query.model,
        query.version,
    )
    record.prediction = prediction
    body = prediction_out(prediction, record.request_id).model_dump_json()
    return Response(
        body,
        mimetype="application/json",
        headers={"Server-Timing": _server_timing(prediction.timings)},
    )


def _server_timing(timings: Timings) -> str:
    steps = {
        "queue": timings.queue_ms,
        "decode": timings.decode_ms + timings.preprocess_ms,
        "inference": timings.inference_ms,
        "total": timings.total_ms,
    }
    return ", ".join(f"{name};dur={value:.2f}" for name, value in steps.items())
