"""Failures told from below the app, to clients whose requests never reach it."""

import json
import os
from http import HTTPStatus

from topfive.errors import Failure

_ID_BYTES = 16


def refusal(failure: Failure, is_kept: bool = False) -> tuple[str, bytes]:
    """Write a whole HTTP response that tells of a failure; returns the request's id, and it.

    The connection is announced to close unless `is_kept`.
    """
    request_id = os.urandom(_ID_BYTES).hex()
    # The detail is the only part that needs escaping; the rest are words of our own.
    body = (
        f'{{"type":"/docs/errors#{failure.code}","title":{json.dumps(failure.title)},'
        f'"status":{failure.status},"detail":{json.dumps(failure.detail)},'
        f'"code":"{failure.code}","request_id":"{request_id}"}}'
    )
    wait = "" if failure.retry_after_s is None else f"Retry-After: {failure.retry_after_s}\r\n"
    head = (
        f"HTTP/1.1 {failure.status} {HTTPStatus(failure.status).phrase}\r\n"
        f"Connection: {'keep-alive' if is_kept else 'close'}\r\n"
        f"Content-Type: application/problem+json\r\n{wait}"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return request_id, (head + body).encode()
