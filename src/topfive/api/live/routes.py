"""/models/{name}/accuracy and /models/{name}/drift: how well a model does on what it is sent."""

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import read_fields
from topfive.api.history.routes import kept_history
from topfive.api.history.turns import history_turns
from topfive.api.live.drift_schemas import DriftOut, drift_out
from topfive.api.live.schemas import AccuracyFields, AccuracyOut, VersionFields, accuracy_out
from topfive.api.model_schemas import NamePath
from topfive.api.openapi import query_parameters
from topfive.api.request import current_service

live_routes = APIBlueprint(
    "live", __name__, abp_tags=[Tag(name="history")], abp_responses=ANY_ROUTE
)

_FAILURES = problem_responses(
    "invalid_parameter", "unauthorized", "forbidden", "not_found", "model_not_found",
    "history_unavailable",
)  # fmt: skip


@live_routes.get(
    "/models/<name>/accuracy",
    operation_id="model_accuracy",
    responses={200: AccuracyOut, **_FAILURES},
    openapi_extensions={"parameters": query_parameters(AccuracyFields)},
)
def model_accuracy(path: NamePath) -> Response:
    """Tell how often a model's versions were right, by the labels of their predictions."""
    kept_history()
    asked = read_fields(AccuracyFields, request.args.items(multi=True))
    with history_turns().take():
        measured = current_service().live.accuracy(path.name, asked.version, asked.query())
    return _answer(accuracy_out(path.name, measured))


@live_routes.get(
    "/models/<name>/drift",
    operation_id="model_drift",
    responses={200: DriftOut, **_FAILURES},
    openapi_extensions={"parameters": query_parameters(VersionFields)},
)
def model_drift(path: NamePath) -> Response:
    """Tell how far a model's predictions have moved from what they were."""
    kept_history()
    asked = read_fields(VersionFields, request.args.items(multi=True))
    with history_turns().take():
        measured = current_service().live.drift(path.name, asked.version)
    return _answer(drift_out(path.name, measured))


def _answer(out: BaseModel) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(out.model_dump_json(), mimetype="application/json", headers=headers)
