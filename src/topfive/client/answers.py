"""What the service answers: one HTTP response as a value, or an error.

Whatever reads an answer raises Refused where it tells of a failure, and NotTopfive where it is none
of topfive's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from topfive.client.errors import NotTopfive, Refused
from topfive.client.pictures import MOST_PICTURE_BYTES
from topfive.client.reading import (
    read_health,
    read_limits,
    read_models,
    read_prediction,
    reading_as,
)
from topfive.client.results import BatchHead, Health, Limits, ModelRef, Models, Prediction

# More than any answer of topfive has; a batch's answer is as long for one line.
_MOST_BYTES = 32 * 1024 * 1024
# A server that asks for longer is not waited for; the caller is told how long.
_MOST_RETRY_AFTER_S = 86_400.0
# What it takes is found out by sending it, where it is less.
STANDARD_LIMITS = Limits(MOST_PICTURE_BYTES, 64, 256 * 1024 * 1024)
_NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; header names are in lower case."""

    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Collecting:
    """Collects a body, up to as many bytes as topfive may answer with."""

    def __init__(self) -> None:
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """Add a piece; raises NotTopfive where it is too much."""
        self._body += piece
        if len(self._body) > _MOST_BYTES:
            raise NotTopfive(
                f"The answer is longer than {_MOST_BYTES} bytes, which none of topfive is."
            )

    def whole(self) -> bytes:
        """Return what has been collected."""
        return bytes(self._body)


class LineSplitter:
    """Splits what arrives into lines, each at most as long as an answer of topfive."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Give the lines that are whole now, without the empty ones; raises NotTopfive."""
        self._rest += piece
        if len(self._rest) > _MOST_BYTES:
            raise NotTopfive(f"A line of the answer is longer than {_MOST_BYTES} bytes.")
        if b"\n" not in piece:
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [line for line in lines if line.strip()]


def prediction_of(answer: Answer) -> Prediction:
    """Read an answer to `predict`."""
    return read_prediction(_read_good(answer))


def health_of(answer: Answer) -> Health:
    """Read an answer to `health`; a service that is unavailable says so with the status 503."""
    found = _load(answer)
    if answer.status == 503 and isinstance(found, dict) and "model_loaded" in found:
        return read_health(found)
    return read_health(_read_good(answer))


def models_of(answer: Answer) -> Models:
    """Read an answer to `models`."""
    return read_models(_read_good(answer))


def limits_of(answer: Answer) -> Limits:
    """Read what the service takes; where that is not told to everyone, take what it is mostly."""
    if answer.status in (401, 403, 404):
        return STANDARD_LIMITS
    return read_limits(_read_good(answer))


def batch_head(answer: Answer) -> BatchHead:
    """Read the head of an answer to a batch; its body is needed only where the status is bad."""
    if answer.status >= 300:
        _read_good(answer)
    headers = answer.headers
    if not headers.get("content-type", "").startswith(_NDJSON):
        raise _not_topfive(answer)
    name, _, version = headers.get("x-topfive-model", "").partition("@")
    return BatchHead(
        request_id=headers.get("x-request-id", ""),
        model=ModelRef(name, version) if name and version else None,
        degraded=headers.get("x-topfive-degraded") == "true",
        quota_reset_s=_seconds(headers.get("ratelimit-reset", "")),
    )


def load_line(line: bytes) -> Any:
    """Read a line of a batch's answer."""
    with reading_as("a batch's result"):
        return json.loads(line)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or the date of HTTP; None without one that can be read."""
    value = headers.get("retry-after", "")
    if (waited_s := _seconds(value)) is not None:
        return waited_s
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - time(), 0.0), _MOST_RETRY_AFTER_S)


def _seconds(value: str) -> float | None:
    digits = value.strip()
    is_number = digits.isascii() and digits.isdigit()
    return min(float(digits[:9]), _MOST_RETRY_AFTER_S) if is_number else None


def _read_good(answer: Answer) -> Any:
    found = _load(answer)
    if answer.status < 300:
        if not isinstance(found, dict):
            raise _not_topfive(answer)
        return found
    if not isinstance(found, dict) or not {"code", "detail"} <= found.keys():
        raise _not_topfive(answer)
    raise Refused(
        str(found["code"]),
        str(found["detail"]),
        status=answer.status,
        request_id=str(found.get("request_id", "")),
        retry_after_s=retry_after_s(answer.headers),
    )


def _load(answer: Answer) -> Any:
    """Load the body as JSON; None where it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _not_topfive(answer: Answer) -> NotTopfive:
    address, status = answer.address, answer.status
    place = answer.headers.get("location", "")
    detail = f"What answers at {address} is not topfive (status {status})."
    if 300 <= status < 400 and place:
        detail = f"{address} answers with a redirect to {_shown(place)}. Give that address."
    elif status in (429, 502, 503, 504):
        detail = f"A proxy at {address} cannot hand on the call (status {status})."
    return NotTopfive(detail, status=status, retry_after_s=retry_after_s(answer.headers))


def _shown(text: str) -> str:
    """Make a text of the server short and printable."""
    return "".join(one if one.isprintable() else "?" for one in text[:200])
