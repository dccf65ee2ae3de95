"""Failures on the wire: every one an `application/problem+json` (RFC 9457) of the same shape."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as MethodNotAllowedException

from topfive.api.examples import message_examples, problem_examples
from topfive.api.readable import in_either_form, problem_page
from topfive.api.request import current_error_shape, current_record
from topfive.api.schemas import problem_out
from topfive.errors import (
    FAILURES,
    Failure,
    FileTooLarge,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    UnsupportedMediaType,
    UploadTooSlow,
)
from topfive.route_table import ErrorShape
from topfive.telemetry.logs import get_logger

PROBLEM_TYPE = "application/problem+json"

_MESSAGE_SCHEMA = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "The failure's code, and why."}},
    "required": ["error"],
    "additionalProperties": False,
}
_BY_HTTP_STATUS: dict[int, type[Failure]] = {
    400: MalformedRequest,
    404: NotFound,
    405: MethodNotAllowed,
    408: UploadTooSlow,
    413: FileTooLarge,
    415: UnsupportedMediaType,
    429: RateLimited,
}


def register_errors(app: Flask) -> None:
    """Answer every failure, Flask's own and unforeseen ones too, as a problem."""
    app.register_error_handler(Failure, answer_failure)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_unforeseen)


def answer_failure(failure: Failure) -> Response:
    """Make the response that tells a caller of a failure."""
    record = current_record()
    record.code = failure.code
    problem = problem_out(failure, record.request_id)
    is_problem = current_error_shape() is ErrorShape.PROBLEM
    response = (
        Response(problem.model_dump_json(), failure.status, mimetype=PROBLEM_TYPE)
        if is_problem
        else Response(
            json.dumps({"error": failure.message}), failure.status, mimetype="application/json"
        )
    )
    if failure.retry_after_s is not None:
        response.headers["Retry-After"] = str(failure.retry_after_s)
    if failure.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return in_either_form(response, lambda: problem_page(problem)) if is_problem else response


def problem_responses(*codes: str) -> dict[str | int, Any]:
    """Describe in OpenAPI the failures that a route can answer with, by their codes."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return _responses(codes, PROBLEM_TYPE, schema, problem_examples)


def message_responses(*codes: str) -> dict[str | int, Any]:
    """Describe the failures of a route that tells them as one text."""
    return _responses(codes, "application/json", _MESSAGE_SCHEMA, message_examples)


def _responses(
    codes: Iterable[str],
    content_type: str,
    schema: dict[str, Any],
    examples_of: Callable[[list[str]], dict[str, Any]],
) -> dict[str | int, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(FAILURES[code].status), []).append(code)
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in listed),
            "content": {content_type: {"schema": schema, "examples": examples_of(listed)}},
        }
        for status, listed in by_status.items()
    }


def _answer_http_exception(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response(status=error.code or 500, headers=error.get_headers())
    kind = _BY_HTTP_STATUS.get(error.code, MalformedRequest if error.code < 500 else InternalError)
    response = answer_failure(kind(_detail(error, kind)))
    for name in ("Allow", "Retry-After"):
        if name in (headers := dict(error.get_headers())):
            response.headers[name] = headers[name]
    return response


def _detail(error: HTTPException, kind: type[Failure]) -> str | None:
    if isinstance(error, MethodNotAllowedException) and error.valid_methods:
        # HEAD and OPTIONS go without saying.
        methods = sorted(set(error.valid_methods) - {"HEAD", "OPTIONS"})
        return f"This address takes {' and '.join(methods)}."
    return _DETAILS.get(kind)


def _answer_unforeseen(error: Exception) -> Response:
    get_logger().exception(
        "unforeseen_error", request_id=current_record().request_id, kind=type(error).__name__
    )
    return answer_failure(InternalError())


# Whatever the route: a request that cannot be understood, and what nobody foresaw.
ANY_ROUTE = problem_responses("malformed_request", "internal_error")
ANY_ROUTE_MESSAGE = message_responses("malformed_request", "internal_error")

_DETAILS: dict[type[Failure], str] = {
    NotFound: "There is nothing at this address. See / for the addresses there are.",
    FileTooLarge: "The upload has too many bytes. See /info for the limit.",
    RateLimited: "Too many requests from this client. Wait as long as Retry-After says.",
}
