"""/predictions: what was predicted, page by page and one by one, and labels."""

import re
from uuid import UUID

from flask import Flask, Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from werkzeug.routing import BaseConverter

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import read_fields
from topfive.api.history.cursor import read_cursor, write_cursor
from topfive.api.history.fields import PageFields
from topfive.api.history.schemas import (
    HistoryPageOut,
    KeptPredictionOut,
    LabelIn,
    PredictionPath,
    history_page_out,
    kept_prediction_out,
)
from topfive.api.history.turns import history_turns
from topfive.api.json_body import read_json
from topfive.api.openapi import json_body, query_parameters
from topfive.api.request import current_service
from topfive.api.upload import read_body
from topfive.errors import FileTooLarge, NotFound, UnsupportedMediaType
from topfive.history.contract import HISTORY_IS_OFF, GivenLabel, History, HistoryQuery

history_routes = APIBlueprint(
    "history", __name__, abp_tags=[Tag(name="history")], abp_responses=ANY_ROUTE
)

_NOT_STORED = {"Cache-Control": "no-store"}
_MAX_BODY_BYTES = 64 * 1024
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ASKED = ("unauthorized", "forbidden", "not_found", "history_unavailable")
_LABELLED = (
    *ASKED, "invalid_parameter", "upload_too_slow", "file_too_large", "unsupported_media_type",
)  # fmt: skip


class _PredictionConverter(BaseConverter):
    """Takes for an id whatever is no other address below /predictions."""

    regex = r"(?!export$)[^/]+"


def tell_predictions_apart(app: Flask) -> None:
    """Have addresses of predictions told from others; before their routes are registered."""
    app.url_map.converters["prediction"] = _PredictionConverter


@history_routes.get(
    "/predictions",
    operation_id="list_predictions",
    responses={200: HistoryPageOut, **problem_responses(*ASKED, "invalid_parameter")},
    openapi_extensions={"parameters": query_parameters(PageFields)},
)
def list_predictions() -> Response:
    """Tell what was predicted, page by page."""
    history = kept_history()
    asked = read_fields(PageFields, request.args.items(multi=True))
    only, order = asked.only(), asked.ordered()
    after = None if asked.cursor is None else read_cursor(asked.cursor, only, order)
    with history_turns().take():
        page = history.list(HistoryQuery(only, order, asked.limit, after))
    cursor = write_cursor(page.next, only, order) if page.next else None
    return _answer(history_page_out(page, cursor))


@history_routes.get(
    "/predictions/<prediction:id>",
    operation_id="find_prediction",
    responses={200: KeptPredictionOut, **problem_responses(*ASKED)},
)
def find_prediction(path: PredictionPath) -> Response:
    """Tell one prediction."""
    history, prediction_id = kept_history(), read_id(path)
    with history_turns().take():
        kept = history.find(prediction_id)
    return _answer(kept_prediction_out(kept))


@history_routes.delete(
    "/predictions/<prediction:id>",
    operation_id="delete_prediction",
    responses={204: None, **problem_responses(*ASKED)},
)
def delete_prediction(path: PredictionPath) -> Response:
    """Delete a prediction and its label."""
    history, prediction_id = kept_history(), read_id(path)
    with history_turns().take():
        history.delete(prediction_id)
    return Response(status=204, headers=_NOT_STORED)


@history_routes.put(
    "/predictions/<prediction:id>/label",
    operation_id="set_label",
    responses={200: KeptPredictionOut, **problem_responses(*_LABELLED)},
    openapi_extensions={"requestBody": json_body(LabelIn)},
)
def set_label(path: PredictionPath) -> Response:
    """Say what the picture really shows; the same again changes nothing."""
    history, prediction_id = kept_history(), read_id(path)
    given = _read_label()
    with history_turns().take():
        kept = history.set_label(prediction_id, given)
    return _answer(kept_prediction_out(kept))


@history_routes.delete(
    "/predictions/<prediction:id>/label",
    operation_id="remove_label",
    responses={200: KeptPredictionOut, **problem_responses(*ASKED)},
)
def remove_label(path: PredictionPath) -> Response:
    """Take the label back, where there is one."""
    history, prediction_id = kept_history(), read_id(path)
    with history_turns().take():
        kept = history.remove_label(prediction_id)
    return _answer(kept_prediction_out(kept))


def kept_history() -> History:
    """Return the history that is kept; raises NotFound, which says how to have one."""
    history = current_service().history
    if not history.is_on:
        raise NotFound(HISTORY_IS_OFF)
    return history


def read_id(path: PredictionPath) -> UUID:
    """Read an id; raises NotFound for a text that is none."""
    if _ID.fullmatch(path.id) is None:
        raise NotFound(
            "There is no prediction of this id. An id has 32 digits in five groups, as the header "
            "X-Prediction-ID tells it."
        )
    return UUID(path.id)


def _read_label() -> GivenLabel:
    """Read the body; raises UnsupportedMediaType, InvalidParameter, and what its readers raise."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the label as JSON, with Content-Type: application/json.")
    body = read_body(request)
    if len(body) > _MAX_BODY_BYTES:
        raise FileTooLarge(f"A label has at most {_MAX_BODY_BYTES} bytes.")
    return read_json(body, LabelIn).given()


def _answer(out: BaseModel) -> Response:
    return Response(out.model_dump_json(), mimetype="application/json", headers=_NOT_STORED)
