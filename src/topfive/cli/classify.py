"""`topfive classify`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from topfive.admission.capacity import Deadline
from topfive.errors import Failure, WeightsRefused
from topfive.predictions import Prediction
from topfive.service import Service
from topfive.settings import Settings, read_settings
from topfive.telemetry.logs import LogOptions, configure_logs
from topfive.wiring import build_service


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top-k", default=5, show_default=True, type=click.IntRange(1, 100),
              help="How many classes to show.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def classify(pictures: tuple[Path, ...], top_k: int, as_json: bool) -> None:
    """Classify picture files without a server, with the same settings.

    One bad file does not stop the others; the exit code is 1 if any could not be classified.

    \b
    Examples:
      topfive classify cat.jpg dog.png
      topfive classify --json photos/*.jpg > results.jsonl
      TOPFIVE_MODEL=digits topfive classify three.png
    """
    settings = read_settings()
    configure_logs(LogOptions("critical", "console"), sys.stderr)
    failed = 0
    with _open_service(settings) as service:
        for picture in pictures:
            try:
                prediction = _classify_file(service, picture, top_k)
            except (Failure, OSError) as error:
                failed += 1
                _show_failure(picture, error, as_json)
            else:
                _show(picture, prediction, as_json)
    sys.exit(1 if failed else 0)


@contextmanager
def _open_service(settings: Settings) -> Iterator[Service]:
    service = build_service(settings.model_copy(update={"slots": 1}))
    try:
        health = service.health()
        if health.status == "unavailable":
            raise WeightsRefused(
                f"The model {health.model} is not ready; `topfive doctor` says why. Make it with "
                f"`topfive pull {health.model}`, or try the one inside: TOPFIVE_MODEL=digits."
            )
        if health.status == "degraded":
            click.echo(f"Note: {health.reason} {health.model} answers instead.", err=True)
        yield service
    finally:
        service.close()


def _classify_file(service: Service, picture: Path, top_k: int) -> Prediction:
    deadline = Deadline.after(service.limits.request_timeout_s)
    return service.predict(picture.read_bytes(), deadline, top_k)


def _show(picture: Path, prediction: Prediction, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"file": str(picture), **asdict(prediction)}))
        return
    table = Table()
    table.add_column("class")
    table.add_column("id", justify="right")
    table.add_column("confidence", justify="right")
    for one in prediction.classes:
        table.add_row(one.class_name, str(one.class_id), f"{one.confidence:.1%}")
    click.echo(click.style(str(picture), bold=True))
    Console().print(table)


def _show_failure(picture: Path, error: Failure | OSError, as_json: bool) -> None:
    code = error.code if isinstance(error, Failure) else "unreadable_file"
    detail = error.detail if isinstance(error, Failure) else str(error.strerror)
    if as_json:
        click.echo(json.dumps({"file": str(picture), "code": code, "detail": detail}))
    else:
        click.echo(f"{picture}: {detail} ({code})", err=True)
