"""Classifies at a running service, for `topfive classify --url`."""

import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import click

from topfive import client
from topfive.cli.picture_files import STANDARD_INPUT, PictureFile
from topfive.errors import FAILURES, Failure, OperatorError
from topfive.predictions import (
    ClassScore,
    Heatmap,
    ImageInfo,
    ModelRef,
    Prediction,
    Timings,
)
from topfive.telemetry.console import printable


def classify_remotely(
    url: str, key: str, pictures: Iterable[PictureFile], top_k: int, *, heatmap: bool = False
) -> Generator[tuple[Path, Prediction | Failure | OSError, str], None, None]:
    """Have a service classify pictures, several at a time.

    Gives in their order each path, what became of it, and the id of the request. Raises
    OperatorError where the service is the cause that there is no result.
    """
    waiting: deque[PictureFile] = deque()
    try:
        # Whoever has mistyped an address should not wait for it to be tried five times more.
        with client.Client(url, retries=1) as service:
            _tell_health(service.health())
        with client.Client(url, key=key) as service:
            given = _given(pictures, waiting)
            for result in service.predict_many(given, top_k=top_k, heatmap=heatmap):
                yield from _known_errors(waiting)
                yield waiting.popleft().path, _outcome(result), _request_id(result)
            yield from _known_errors(waiting)
    except client.ClientError as error:
        raise _as_operators(error, key) from error


def _tell_health(health: client.Health) -> None:
    reason = printable(health.reason or "")
    if health.status == "unavailable":
        raise OperatorError(f"The service cannot classify at the moment. {reason}")
    if health.status == "degraded":
        click.echo(f"Note: {reason}", err=True)


def _given(
    pictures: Iterable[PictureFile], waiting: deque[PictureFile]
) -> Iterator[client.Picture]:
    """Give the pictures to send, and note all in their order."""
    for one in pictures:
        waiting.append(one)
        if one.error is None:
            yield _content(one)


def _content(picture: PictureFile) -> BinaryIO | str:
    return sys.stdin.buffer if picture.path == STANDARD_INPUT else str(picture.path)


def _known_errors(waiting: deque[PictureFile]) -> Iterator[tuple[Path, Failure | OSError, str]]:
    """Give those that come next and were not sent, since their error was known."""
    while waiting and (error := waiting[0].error) is not None:
        yield waiting.popleft().path, error, uuid4().hex


def _outcome(result: client.PictureResult) -> Prediction | Failure | OSError:
    outcome = result.outcome
    if isinstance(outcome, client.Prediction):
        return _prediction(outcome)
    if isinstance(outcome.__cause__, OSError):
        return outcome.__cause__
    return _failure(outcome)


def _request_id(result: client.PictureResult) -> str:
    """Take the id by which the service logged the picture's request, or make one."""
    known = getattr(result.outcome, "request_id", "")
    return known or uuid4().hex


def _prediction(found: client.Prediction) -> Prediction:
    model, image, timing = found.model, found.image, found.timing_ms
    return Prediction(
        model=ModelRef(model.name, model.version) if model else ModelRef("", ""),
        classes=tuple(
            ClassScore(one.class_id, one.class_name, one.confidence) for one in found.predictions
        ),
        image=ImageInfo(image.format, image.width, image.height),
        # Over HTTP decoding and resizing are one time.
        timings=Timings(timing.queue, timing.decode, 0.0, timing.inference, timing.total),
        is_degraded=found.degraded,
        heatmap=_heatmap(found.heatmap),
    )


def _heatmap(found: client.Heatmap | None) -> Heatmap | None:
    return None if found is None else Heatmap(found.class_id, found.width, found.height, found.png)


def _failure(error: client.ClientError) -> Failure:
    """Make the failure that the service told, also one that only a newer service has."""
    kind = FAILURES.get(error.code)
    if kind is None:
        names = {"status": 500, "code": error.code, "title": "A newer service told this."}
        kind = type("NewerFailure", (Failure,), names)
    return kind(error.detail)


def _as_operators(error: client.ClientError, key: str) -> OperatorError:
    if error.code == "unauthorized":
        which = "does not know the API key that was given" if key else "asks for an API key"
        return OperatorError(f"The service {which}. Give one as TOPFIVE_API_KEY, or with --key.")
    return OperatorError(f"{printable(error.detail)} ({printable(error.code)})")
