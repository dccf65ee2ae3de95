"""POST /predict: one picture in, its most likely classes out."""

from flask import Request, Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic_core import to_json

from topfive.api.auth import route_key
from topfive.api.caching import with_caching
from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import Pair, read_fields
from topfive.api.openapi import (
    CACHE_CONTROL_PARAMETER,
    CODE_SAMPLES,
    ROUTE_KEY_PARAMETER,
    picture_body,
    query_parameters,
)
from topfive.api.request import client_has_gone, current_record, current_service
from topfive.api.schemas import (
    PredictFields,
    PredictionOut,
    prediction_headers,
    prediction_members,
)
from topfive.api.upload import read_upload

predict_routes = APIBlueprint(
    "predict", __name__, abp_tags=[Tag(name="predict")], abp_responses=ANY_ROUTE
)

PREDICTION_CODES = (
    "missing_file", "empty_file", "unsupported_format", "invalid_image", "invalid_parameter",
    "malformed_request", "unauthorized", "forbidden", "model_not_found", "upload_too_slow",
    "file_too_large", "image_too_large", "unsupported_media_type", "rate_limited",
    "internal_error", "overloaded", "model_unavailable", "shutting_down", "out_of_memory",
    "deadline_exceeded",
)  # fmt: skip
# Of those predictions for which a heatmap may be asked.
EXPLAINED_CODES = (*PREDICTION_CODES, "heatmap_unavailable")


@predict_routes.post(
    "/predict",
    operation_id="predict",
    responses={200: PredictionOut, **problem_responses(*EXPLAINED_CODES)},
    openapi_extensions={
        "parameters": [
            *query_parameters(PredictFields),
            ROUTE_KEY_PARAMETER,
            CACHE_CONTROL_PARAMETER,
        ],
        "requestBody": picture_body(PredictFields),
        "x-codeSamples": CODE_SAMPLES,
    },
)
def predict() -> Response:
    """Classify one picture."""
    return answer_prediction(request)


def answer_prediction(
    incoming: Request, further_types: frozenset[str] = frozenset(), beside: tuple[Pair, ...] = ()
) -> Response:
    """Classify the picture of a request, with fields that came `beside` its query and form.

    A raw picture may be of `further_types` too. Raises what `Service.predict` raises.
    """
    picture, asked = read_prediction_request(incoming, further_types, beside)
    record = current_record()
    options = with_caching(asked.options(route_key()), incoming)
    prediction = current_service().predict(picture, record.deadline, options, client_has_gone)
    record.predictions = (prediction,)
    # Not checked once more against the shape, which costs 1% of a request; tests do.
    body = to_json(prediction_members(prediction, record.request_id))
    return Response(body, mimetype="application/json", headers=prediction_headers(prediction))


def read_prediction_request(
    incoming: Request, further_types: frozenset[str] = frozenset(), beside: tuple[Pair, ...] = ()
) -> tuple[bytes, PredictFields]:
    """Read the picture and what is asked of it; a wrong query is told before the body is read.

    Raises InvalidParameter, and what `read_upload` raises.
    """
    given = (*incoming.args.items(multi=True), *beside)
    asked = read_fields(PredictFields, given)
    picture, fields = read_upload(incoming, further_types)
    return picture, read_fields(PredictFields, (*given, *fields)) if fields else asked
