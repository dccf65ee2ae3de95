"""Failures told from below the app, to clients whose requests never reach it."""

import json
from http import HTTPStatus
from uuid import uuid4

from topfive.errors import Failure


def refusal(failure: Failure) -> bytes:
    """Write a whole HTTP response that tells of a failure and closes the connection."""
    request_id = uuid4().hex
    problem = {
        "type": f"/docs/errors#{failure.code}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
        "code": failure.code,
        "request_id": request_id,
    }
    body = json.dumps(problem, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {failure.status} {HTTPStatus(failure.status).phrase}\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
