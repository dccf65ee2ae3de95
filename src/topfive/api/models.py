"""/models and /routes: which models there are, and orders to load, activate, unload and route."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import cast

from flask import Flask, Response, current_app, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import read_fields
from topfive.api.json_body import read_json
from topfive.api.model_schemas import (
    AliasPath,
    ModelOrderOut,
    ModelsOut,
    ModelStateOut,
    NamePath,
    OrderFields,
    RouteIn,
    RouteOrderOut,
    VersionPath,
    VersionsOut,
    model_order_out,
    model_state_out,
    models_out,
    route_order_out,
    route_view,
    versions_out,
)
from topfive.api.openapi import json_body, query_parameters
from topfive.api.request import current_service
from topfive.api.upload import read_body
from topfive.errors import FileTooLarge, InvalidParameter, UnsupportedMediaType
from topfive.models import OrderResult, RouteView

model_routes = APIBlueprint(
    "models", __name__, abp_tags=[Tag(name="models")], abp_responses=ANY_ROUTE
)

_EXTENSION = "topfive.waiting_orders"
# Each holds one of the four threads that a worker has beside those for predictions and probes.
_MOST_WAITING = 2
_MAX_BODY_BYTES = 64 * 1024
_WAIT = {"parameters": query_parameters(OrderFields)}
_ASKED = problem_responses("unauthorized", "forbidden", "invalid_parameter", "model_not_found")
_ORDERED = problem_responses(
    "invalid_parameter", "unauthorized", "forbidden", "model_not_found", "model_busy",
    "model_refused", "model_unavailable",
)  # fmt: skip
_ROUTED = problem_responses(
    "invalid_parameter", "unauthorized", "forbidden", "model_not_found", "upload_too_slow",
    "model_busy", "file_too_large", "unsupported_media_type", "model_refused",
    "model_unavailable",
)  # fmt: skip


def limit_waiting(app: Flask) -> None:
    """Let few orders of this worker wait at a time, so that pages find a thread."""
    app.extensions[_EXTENSION] = BoundedSemaphore(_MOST_WAITING)


@model_routes.get(
    "/models",
    operation_id="list_models",
    responses={200: ModelsOut, **problem_responses("unauthorized", "forbidden")},
)
def list_models() -> Response:
    """Tell all known models, how all workers together have them, and the routes."""
    return _answer(models_out(current_service().orders.list_models()))


@model_routes.get(
    "/models/<name>",
    operation_id="list_versions",
    responses={200: VersionsOut, **_ASKED},
)
def list_versions(path: NamePath) -> Response:
    """Tell all known versions of a model."""
    return _answer(versions_out(current_service().orders.list_versions(path.name)))


@model_routes.get(
    "/models/<name>/versions/<version>",
    operation_id="find_model",
    responses={200: ModelStateOut, **_ASKED},
)
def find_model(path: VersionPath) -> Response:
    """Tell one version of a model."""
    return _answer(model_state_out(current_service().orders.find_model(path.name, path.version)))


@model_routes.post(
    "/models/<name>/versions/<version>/load",
    operation_id="load_model",
    responses={202: ModelOrderOut, **_ORDERED},
    openapi_extensions=_WAIT,
)
def load_model(path: VersionPath) -> Response:
    """Have every worker load a version beside what serves; requests may then name it."""
    return _order_model(current_service().orders.load, path)


@model_routes.post(
    "/models/<name>/versions/<version>/activate",
    operation_id="activate_model",
    responses={202: ModelOrderOut, **_ORDERED},
    openapi_extensions=_WAIT,
)
def activate_model(path: VersionPath) -> Response:
    """Make a version the one that its model's name means, once every worker has it ready."""
    return _order_model(current_service().orders.activate, path)


@model_routes.delete(
    "/models/<name>/versions/<version>",
    operation_id="unload_model",
    responses={202: ModelOrderOut, **_ORDERED},
    openapi_extensions=_WAIT,
)
def unload_model(path: VersionPath) -> Response:
    """Have every worker unload a version after its last request; its bundle stays."""
    return _order_model(current_service().orders.unload, path)


@model_routes.put(
    "/routes/<alias>",
    operation_id="set_route",
    responses={202: RouteOrderOut, **_ROUTED},
    openapi_extensions={**_WAIT, "requestBody": json_body(RouteIn)},
)
def set_route(path: AliasPath) -> Response:
    """Have an alias lead to other models and versions, once every worker has them ready."""
    asked, route = _asked(), _read_route()
    with _waiting(asked.wait_s) as wait_s:
        result = current_service().orders.set_route(path.alias, route, wait_s)
    return _answer(route_order_out(result), 202)


def _order_model(order: Callable[[str, str, float], OrderResult], path: VersionPath) -> Response:
    with _waiting(_asked().wait_s) as wait_s:
        result = order(path.name, path.version, wait_s)
    return _answer(model_order_out(result), 202)


def _asked() -> OrderFields:
    return read_fields(OrderFields, request.args.items(multi=True))


def _read_route() -> RouteView:
    """Read the body; raises UnsupportedMediaType, InvalidParameter, and what its readers raise."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the route as JSON, with Content-Type: application/json.")
    body = read_body(request)
    if len(body) > _MAX_BODY_BYTES:
        raise FileTooLarge(f"A route has at most {_MAX_BODY_BYTES} bytes.")
    route = read_json(body, RouteIn)
    if not any(target.weight for target in route.targets):
        raise InvalidParameter("All weights are 0. Give at least one target a weight above 0.")
    return route_view(route)


@contextmanager
def _waiting(wait_s: float) -> Iterator[float]:
    """Yield for how many seconds an order may wait: none where enough of this worker's wait."""
    slots = cast(BoundedSemaphore, current_app.extensions[_EXTENSION])
    may_wait = wait_s > 0 and slots.acquire(blocking=False)
    try:
        yield wait_s if may_wait else 0
    finally:
        if may_wait:
            slots.release()


def _answer(out: BaseModel, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(out.model_dump_json(), status, mimetype="application/json", headers=headers)
