"""What every request carries: its id, its clock, the service that answers it, its upload."""

import re
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from uuid import uuid4

from flask import Flask, Request, Response, current_app, g, request
from flask.globals import request_ctx
from werkzeug.exceptions import ClientDisconnected, MethodNotAllowed

from topfive.admission.capacity import Deadline
from topfive.admission.keyfile import KeyFile
from topfive.admission.keys import ApiKey, ApiKeys, NoApiKeys
from topfive.api.multipart import START_BYTES, check_start, find_part
from topfive.errors import (
    FileTooLarge,
    MalformedRequest,
    MissingFile,
    UnsupportedMediaType,
    UploadTooSlow,
)
from topfive.predictions import Prediction
from topfive.service import Answered, Service
from topfive.settings import Settings
from topfive.telemetry.logs import clear_lines, put_on_lines
from topfive.telemetry.traces import Trace

_EXTENSION = "topfive"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PART_NAMES = ("file", "image")
_HOW_TO_SEND = (
    "Send multipart/form-data with a part `file` (curl -F file=@photo.jpg ...), or the bytes "
    "alone with an image/* or application/octet-stream content type."
)


class PictureRequest(Request):
    """A request whose body is read into memory, never to disk, and never parsed unasked."""

    want_form_data_parsed = False


@dataclass(slots=True)
class RequestRecord:
    """What is noted about one request for its log line and its headers."""

    request_id: str
    deadline: Deadline
    trace: Trace
    started: float = field(default_factory=perf_counter)
    code: str | None = None
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True)
class _Mounted:
    service: Service
    keys: ApiKeys | NoApiKeys
    settings: Settings


def mount_service(app: Flask, service: Service, settings: Settings) -> None:
    """Make the service and its settings reachable from the views."""
    app.extensions[_EXTENSION] = _Mounted(service, _open_keys(settings), settings)


def _open_keys(settings: Settings) -> ApiKeys | NoApiKeys:
    sources: list[Callable[[], tuple[ApiKey, ...]]] = []
    if settings.accepted_keys:
        sources.append(lambda: settings.accepted_keys)
    if settings.api_keys_file:
        sources.append(KeyFile(settings.api_keys_file))
    return ApiKeys(*sources) if sources else NoApiKeys()


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


def presented_key() -> str:
    """Return the API key that the request carries, in either header; empty without one."""
    bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer[2].strip() if bearer[0].lower() == "bearer" else None
    presented = token or request.headers.get("X-API-Key", "")
    # Header bytes reach a WSGI app as latin-1; a key may be any text.
    return presented.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def keys_are_asked() -> bool:
    """Tell whether this app asks for API keys at all."""
    return isinstance(_mounted().keys, ApiKeys)


def recognised_key(presented: str) -> str | None:
    """Return the digest of a key that is known here; None for any other, and where none are set."""
    found = _mounted().keys.find(presented) if presented else None
    return found.digest if found else None


def require_scope(scope: str) -> None:
    """Raise Unauthorized or Forbidden unless the request's API key allows `scope`."""
    _mounted().keys.check(presented_key(), scope)


def keep_request_record(app: Flask) -> None:
    """Give every request its id and clock, every response its headers, and the log its line."""
    app.before_request(_open_record)
    app.after_request(_close_record)


def client_has_gone() -> bool:
    """Tell whether the client of this request has closed its connection."""
    sock = request.environ.get("gunicorn.socket")
    if sock is None or not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def read_upload(incoming: Request) -> bytes:
    """Read the picture's bytes from a multipart part or a raw body.

    Raises MissingFile, MalformedRequest or UnsupportedMediaType.
    """
    mimetype = incoming.mimetype
    if mimetype == "multipart/form-data":
        return _read_part(incoming)
    if mimetype == "application/octet-stream" or mimetype.startswith("image/"):
        return _read_body(incoming)
    if not mimetype and not _read_body(incoming):
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")
    raise UnsupportedMediaType(f"This content type is not supported. {_HOW_TO_SEND}")


def _read_part(incoming: Request) -> bytes:
    boundary = incoming.mimetype_params.get("boundary", "")
    body = _read_body(incoming, boundary)
    if not body:
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")
    picture = find_part(body, boundary, _PART_NAMES)
    if picture is None:
        raise MissingFile(f"The request has no part called `file`. {_HOW_TO_SEND}")
    return picture


def _read_body(incoming: Request, boundary: str | None = None) -> bytes:
    """Read the whole body, of a hopeless multipart one its start only."""
    try:
        start = b""
        if boundary is not None:
            start = incoming.stream.read(START_BYTES)
            check_start(start, boundary)
        body = start + incoming.get_data(cache=False)
    except ClientDisconnected as error:
        # werkzeug calls every failed read a disconnect, and keeps the reason in the context.
        if isinstance(error.__context__, TimeoutError):
            raise UploadTooSlow(
                "The upload did not arrive in time. Try a faster connection."
            ) from error
        raise MalformedRequest("The upload was cut off.") from error
    most = incoming.max_content_length
    if most is not None and len(body) >= most:
        # A body that did not tell its length was cut off at the limit.
        raise FileTooLarge("The upload has too many bytes. See /info for the limit.")
    return body


def _mounted() -> _Mounted:
    return cast(_Mounted, current_app.extensions[_EXTENSION])


def _open_record() -> None:
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _SANE_REQUEST_ID.fullmatch(given) else uuid4().hex
    deadline = Deadline.after(current_settings().request_timeout_s)
    trace = current_service().begin_request(request.headers.get("traceparent", ""))
    put_on_lines(request_id=request_id)
    g.record = RequestRecord(request_id, deadline, trace)


def _close_record(response: Response) -> Response:
    record = current_record()
    duration_ms = (perf_counter() - record.started) * 1000
    response.headers["X-Request-ID"] = record.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    if record.trace.header:
        response.headers["traceparent"] = record.trace.header
    current_service().record(
        Answered(
            route=_route(),
            method=request.method if request.method in _KNOWN_METHODS else "unknown",
            status=response.status_code,
            code=record.code,
            request_id=record.request_id,
            duration_ms=duration_ms,
            prediction=record.prediction,
            trace=record.trace,
        )
    )
    clear_lines()
    return response


def _route() -> str:
    """Name the route as it is declared, for a wrong method too; `unknown` where there is none."""
    rule = request.url_rule
    error = request.routing_exception
    adapter = request_ctx.url_adapter
    if rule is None and isinstance(error, MethodNotAllowed) and error.valid_methods and adapter:
        rule, _ = adapter.match(method=next(iter(error.valid_methods)), return_rule=True)
    return rule.rule if rule else "unknown"


_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
