"""What every request carries: its id, its clock and the service that answers it."""

import os
import re
from dataclasses import dataclass
from functools import cache, partial
from time import monotonic
from typing import cast

from flask import Flask, Response, current_app, g, request
from flask.globals import request_ctx
from werkzeug.exceptions import MethodNotAllowed

from topfive.concurrency.limiter import Deadline
from topfive.errors import ClientDisconnected
from topfive.predictions import Prediction
from topfive.route_table import ErrorShape, Route
from topfive.service import Service
from topfive.settings import Settings
from topfive.telemetry.access import AccessLog, AccessRecord, BatchCounts
from topfive.telemetry.logs import bind_log_fields, clear_log_fields
from topfive.telemetry.traces import Trace

# On every answer.
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff"}
_EXTENSION = "topfive"
_VARIABLE = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
_ID_BYTES = 16
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(slots=True)
class RequestRecord:
    """What is noted about one request for its log line and its headers.

    Of one that `is_told_at_end` it is known when its answer has ended what became of it.
    """

    request_id: str
    deadline: Deadline
    trace: Trace
    started_s: float
    code: str | None = None
    predictions: tuple[Prediction, ...] = ()
    batch: BatchCounts | None = None
    is_told_at_end: bool = False


@dataclass(frozen=True, slots=True)
class _Mounted:
    service: Service
    settings: Settings


def mount_service(app: Flask, service: Service, settings: Settings) -> None:
    """Make the service and its settings reachable from the views."""
    app.extensions[_EXTENSION] = _Mounted(service, settings)


def current_service() -> Service:
    """Return the service that answers this request."""
    return _mounted().service


def mounted_service(app: Flask) -> Service:
    """Return the service that an app was made with."""
    return cast(_Mounted, app.extensions[_EXTENSION]).service


def current_settings() -> Settings:
    """Return the settings that this app was made with."""
    return _mounted().settings


def current_record() -> RequestRecord:
    """Return what is noted about this request."""
    return cast(RequestRecord, g.record)


def current_route() -> Route | None:
    """Return what the table says of this request's address and method; None where nothing is."""
    table = current_settings().route_table
    rule = request.url_rule
    if rule is None:
        return table.find(request.method, request.path)
    return table.named(request.method, declared_path(rule.rule))


def current_error_shape() -> ErrorShape:
    """Tell how this request's failures are written."""
    route = current_route()
    if route is not None:
        return route.error_shape
    return current_settings().route_table.error_shape(request.path)


@cache
def declared_path(rule: str) -> str:
    """Write a path as the table does: `/sample/<int:number>` is `/sample/{number}`."""
    return _VARIABLE.sub(r"{\1}", rule)


def keep_request_record(app: Flask) -> None:
    """Give every request its id and clock, every response its headers, and the log its line."""
    app.before_request(_open_record)
    app.after_request(_close_record)


def client_has_gone() -> bool:
    """Tell whether the client of this request has closed its connection, where that is known."""
    has_gone = request.environ.get("topfive.client_has_gone")
    return bool(has_gone and has_gone())


def _mounted() -> _Mounted:
    return cast(_Mounted, current_app.extensions[_EXTENSION])


def _open_record() -> None:
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _SANE_REQUEST_ID.fullmatch(given) else os.urandom(_ID_BYTES).hex()
    head_s = request.environ.get("topfive.head_s") or monotonic()
    waited_s = request.environ.get("topfive.waited_s", 0.0)
    deadline = Deadline(head_s + current_settings().request_timeout_s, waited_s)
    trace = current_service().access_log.begin_request(
        request.headers.get("traceparent", ""), monotonic() - head_s
    )
    bind_log_fields(request_id=request_id)
    g.record = RequestRecord(request_id, deadline, trace, head_s)


def _close_record(response: Response) -> Response:
    record = current_record()
    response.headers["X-Request-ID"] = record.request_id
    response.headers.update(SECURITY_HEADERS)
    if record.trace.header:
        response.headers["traceparent"] = record.trace.header
    note = partial(_note, current_service().access_log, record, response, _route(), _method())
    if response.is_streamed and (record.batch is not None or record.is_told_at_end):
        # What becomes of it is known when the last of it is sent.
        response.call_on_close(note)
    else:
        note()
    for one in record.predictions:
        # When the answer is sent: nobody waits for it.
        response.call_on_close(one.follow_up)
    clear_log_fields()
    return response


def _note(
    access_log: AccessLog, record: RequestRecord, response: Response, route: str, method: str
) -> None:
    has_gone = record.code == ClientDisconnected.code
    access_log.record(
        AccessRecord(
            route=route,
            method=method,
            status=ClientDisconnected.status if has_gone else response.status_code,
            code=record.code,
            request_id=record.request_id,
            duration_ms=(monotonic() - record.started_s) * 1000,
            prediction=record.predictions[0] if record.predictions else None,
            further_predictions=record.predictions[1:],
            batch=record.batch,
            trace=record.trace,
        )
    )


def _method() -> str:
    return request.method if request.method in _KNOWN_METHODS else "unknown"


def _route() -> str:
    """Name the route as it is declared, for a wrong method too; `unknown` where there is none."""
    rule = request.url_rule
    error = request.routing_exception
    adapter = request_ctx.url_adapter
    if rule is None and isinstance(error, MethodNotAllowed) and error.valid_methods and adapter:
        rule, _ = adapter.match(method=next(iter(error.valid_methods)), return_rule=True)
    return declared_path(rule.rule) if rule else "unknown"


_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
