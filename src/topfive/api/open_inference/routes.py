"""The routes below /v2."""

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from topfive import __version__
from topfive.api.auth import route_key
from topfive.api.caching import with_caching
from topfive.api.errors import ANY_ROUTE_MESSAGE, message_responses
from topfive.api.fields import read_members
from topfive.api.open_inference.answers import choose_outputs, write_answer
from topfive.api.open_inference.schemas import (
    InferOut,
    LiveOut,
    MetadataOut,
    ModelPath,
    ModelReadyOut,
    ServerOut,
    ServerReadyOut,
    VersionPath,
    metadata_out,
)
from topfive.api.open_inference.tensors import IMAGE, only_input, read_pictures, read_pixels
from topfive.api.open_inference.wire import (
    LENGTH_HEADER,
    InferIn,
    InferRequest,
    check_parameters,
    read_request,
)
from topfive.api.openapi import inference_body
from topfive.api.predict import PREDICTION_CODES
from topfive.api.quota import charge_further
from topfive.api.request import client_has_gone, current_record, current_service
from topfive.api.schemas import PredictFields, prediction_headers
from topfive.api.several import predict_pictures
from topfive.api.upload import read_body
from topfive.errors import ModelUnavailable, UnsupportedMediaType
from topfive.predictions import Prediction

v2_routes = APIBlueprint(
    "v2",
    __name__,
    url_prefix="/v2",
    abp_tags=[Tag(name="open inference protocol")],
    abp_responses=ANY_ROUTE_MESSAGE,
)

_PARAMETERS = ("top_k", "binary_data_output", "content_type", "binary_encoding")
_UNKNOWN = message_responses("model_not_found", "model_unavailable", "unauthorized", "forbidden")
_INFER = {200: InferOut, **message_responses(*PREDICTION_CODES)}


@v2_routes.get("", operation_id="v2_server", responses={200: ServerOut})
def server() -> Response:
    """Say what this server is."""
    return _json(
        ServerOut(name="topfive", version=__version__, extensions=["binary_tensor_data"]), 200
    )


@v2_routes.get("/health/live", operation_id="v2_live", responses={200: LiveOut})
def live() -> Response:
    """Tell that this worker answers."""
    return _json(LiveOut(live=True), 200)


@v2_routes.get(
    "/health/ready",
    operation_id="v2_ready",
    responses={200: ServerReadyOut, 503: ServerReadyOut},
)
def ready() -> Response:
    """Tell whether this worker may be sent requests for inference."""
    is_ready = current_service().is_ready()
    return _json(ServerReadyOut(ready=is_ready), 200 if is_ready else 503)


@v2_routes.get("/models/<model>", operation_id="v2_model", responses={200: MetadataOut, **_UNKNOWN})
def model(path: ModelPath) -> Response:
    """Describe a model: the inputs it takes, of which one is sent, and its outputs."""
    return _json(metadata_out(current_service().describe_model(path.model)), 200)


@v2_routes.get(
    "/models/<model>/versions/<version>",
    operation_id="v2_model_version",
    responses={200: MetadataOut, **_UNKNOWN},
)
def model_version(path: VersionPath) -> Response:
    """Describe a version of a model."""
    return _json(metadata_out(current_service().describe_model(path.model, path.version)), 200)


@v2_routes.get(
    "/models/<model>/ready",
    operation_id="v2_model_ready",
    responses={200: ModelReadyOut, 503: ModelReadyOut, **message_responses("model_not_found")},
)
def model_ready(path: ModelPath) -> Response:
    """Tell whether a model may be sent requests for inference."""
    return _model_ready(path.model)


@v2_routes.get(
    "/models/<model>/versions/<version>/ready",
    operation_id="v2_model_version_ready",
    responses={200: ModelReadyOut, 503: ModelReadyOut, **message_responses("model_not_found")},
)
def model_version_ready(path: VersionPath) -> Response:
    """Tell whether a version of a model may be sent requests for inference."""
    return _model_ready(path.model, path.version)


@v2_routes.post(
    "/models/<model>/infer",
    operation_id="v2_infer",
    responses=_INFER,
    openapi_extensions={"requestBody": inference_body(InferIn)},
)
def infer(path: ModelPath) -> Response:
    """Classify encoded pictures, or prepared pixels."""
    return _infer(path.model)


@v2_routes.post(
    "/models/<model>/versions/<version>/infer",
    operation_id="v2_infer_version",
    responses=_INFER,
    openapi_extensions={"requestBody": inference_body(InferIn)},
)
def infer_version(path: VersionPath) -> Response:
    """Classify encoded pictures, or prepared pixels, with a version of a model."""
    return _infer(path.model, path.version)


def _infer(name: str, version: str | None = None) -> Response:
    if request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")
    asked = read_request(read_body(request), request.headers.get(LENGTH_HEADER))
    check_parameters(asked.asked.parameters, _PARAMETERS, "a request")
    fields = read_members(
        PredictFields,
        {key: one for key, one in asked.asked.parameters.items() if key == "top_k"}
        | {"model": name}
        | ({} if version is None else {"version": version}),
    )
    chosen = choose_outputs(asked.asked)
    predictions = _predict(asked, fields)
    answer = write_answer(predictions, chosen, asked.asked.id)
    return Response(answer.body, headers=answer.headers | prediction_headers(*predictions))


def _predict(asked: InferRequest, fields: PredictFields) -> tuple[Prediction, ...]:
    tensor = only_input(asked)
    if tensor.name == IMAGE:
        return predict_pictures(read_pictures(asked, tensor), fields, IMAGE)
    pixels = read_pixels(asked, tensor)
    charge_further(len(pixels) - 1)
    record = current_record()
    options = with_caching(fields.options(route_key()), request)
    record.predictions = current_service().predict_tensor(
        pixels, record.deadline, options, client_has_gone
    )
    return record.predictions


def _model_ready(name: str, version: str | None = None) -> Response:
    service = current_service()
    try:
        name = service.describe_model(name, version).ref.name
    except ModelUnavailable:
        is_ready = False
    else:
        is_ready = service.is_ready()
    return _json(ModelReadyOut(name=name, ready=is_ready), 200 if is_ready else 503)


def _json(out: BaseModel, status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(out.model_dump_json(), status, mimetype="application/json", headers=headers)
