"""`topfive classify`."""

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from topfive.cli.models.options import UrlType
from topfive.cli.overlays import Overlays, open_overlays
from topfive.cli.picture_files import PictureFile, find_pictures, read_picture
from topfive.concurrency.limiter import Deadline
from topfive.errors import BundleMissing, Failure
from topfive.predictions import Prediction, PredictionOptions
from topfive.service import Service
from topfive.settings import Settings, read_api_key, read_settings
from topfive.telemetry.console import printable
from topfive.telemetry.logs import LogOptions, configure_logs
from topfive.wiring import build_service, refuse_mistakes

Outcome = Prediction | Failure | OSError
# The file, what became of it, and the id of the request.
Told = tuple[Path, Outcome, str]
# The one word that is not the API's: over HTTP there are no files.
_UNREADABLE = "unreadable_file"


@click.command(short_help="Classify picture files without a server.")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER|-...",
                type=click.Path(path_type=Path, allow_dash=True))  # fmt: skip
@click.option("--top-k", default=5, show_default=True, type=click.IntRange(1, 100),
              help="How many classes to show.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON object a line: the API's answer, and its `file`.")  # fmt: skip
@click.option("--heatmap", type=click.Path(path_type=Path), metavar="PNG|FOLDER",
              help="Write where the best class was seen, laid over the picture: a PNG; of "
              "several pictures a folder of them.")  # fmt: skip
@click.option("--url", type=UrlType(), help="Ask the service at this address.")
@click.option("--key", help="An API key for that service. [default: TOPFIVE_API_KEY]")
def classify(
    pictures: tuple[Path, ...],
    top_k: int,
    as_json: bool,
    heatmap: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Classify picture files without a server, with the same settings, or at a running service.

    Of a folder, all pictures at every depth are classified, in the order of their names; files
    that are not named like a picture are skipped. `-` is one picture on standard input.

    One bad file does not stop the others; the exit code is 1 if any could not be classified.

    \b
    Examples:
      topfive classify cat.jpg dog.png
      topfive classify --json photos/ > results.jsonl
      topfive classify --heatmap seen.png cat.jpg
      curl -s https://example.org/cat.jpg | topfive classify -
      TOPFIVE_MODEL=digits topfive classify three.png
      topfive classify --url https://pictures.example.org photos/
    """
    found = find_pictures(pictures)
    if url is None and key is not None:
        raise click.UsageError("--key is for a service: name it with --url.")
    overlays = open_overlays(heatmap, pictures)
    if url is None:
        told = _classify_here(found, top_k, overlays)
    else:
        overlays.require_files(pictures)
        told = _ask(url, key, found, top_k, overlays)
    show = _show_json if as_json else _show_table
    failed = 0
    with closing(told):
        for path, outcome, request_id in told:
            failed += not isinstance(outcome, Prediction)
            show(path, outcome, request_id)
    sys.exit(1 if failed else 0)


def _classify_here(
    pictures: Iterator[PictureFile], top_k: int, overlays: Overlays
) -> Generator[Told, None, None]:
    settings = read_settings()
    configure_logs(LogOptions("critical", "console"), sys.stderr)
    options = PredictionOptions(top_k, explains=overlays.are_wanted)
    with _open_service(settings) as service:
        for picture in pictures:
            outcome = picture.error or _classify_file(service, picture, options, overlays)
            yield picture.path, outcome, uuid4().hex


def _ask(
    url: str, key: str | None, pictures: Iterator[PictureFile], top_k: int, overlays: Overlays
) -> Generator[Told, None, None]:
    # httpx takes a while to import, and only this wants it.
    from topfive.cli.remote import classify_remotely  # noqa: PLC0415

    key = read_api_key() if key is None else key
    told = classify_remotely(url, key, pictures, top_k, heatmap=overlays.are_wanted)
    with closing(told):
        for path, outcome, request_id in told:
            if isinstance(outcome, Prediction):
                overlays.write(path, outcome.heatmap)
            yield path, outcome, request_id


@contextmanager
def _open_service(settings: Settings) -> Iterator[Service]:
    refuse_mistakes(settings)
    service = build_service(settings.model_copy(update={"slots": 1}))
    try:
        health = service.health()
        if health.status == "unavailable":
            raise BundleMissing(
                f"The model {health.model} is not ready; `topfive doctor` says why, and how to "
                "make it. Or try the one inside: TOPFIVE_MODEL=digits."
            )
        if health.status == "degraded":
            click.echo(f"Note: {health.reason} {health.model} answers instead.", err=True)
        yield service
    finally:
        service.close()


def _classify_file(
    service: Service, picture: PictureFile, options: PredictionOptions, overlays: Overlays
) -> Outcome:
    deadline = Deadline.after(service.limits.request_timeout_s)
    try:
        data = read_picture(picture.path, service.limits.image.max_bytes)
        prediction = service.predict(data, deadline, options)
    except (Failure, OSError) as error:
        return error
    overlays.write(picture.path, prediction.heatmap, data)
    return prediction


def _show_json(path: Path, outcome: Outcome, request_id: str) -> None:
    click.echo(json.dumps({"file": str(path), **_answer(outcome, request_id)}))


def _answer(outcome: Outcome, request_id: str) -> dict[str, Any]:
    """Make what the API answers; a file that cannot be read never gets as far as that."""
    # With it comes Flask, which takes half a second: no other command is to wait for that.
    from topfive.api.schemas import prediction_out, problem_out  # noqa: PLC0415

    if isinstance(outcome, Prediction):
        return prediction_out(outcome, request_id).model_dump(mode="json", exclude_none=True)
    if isinstance(outcome, Failure):
        return problem_out(outcome, request_id).model_dump()
    return {
        "type": "about:blank",
        "title": "The file cannot be read.",
        "status": None,
        "detail": f"{outcome.strerror}.",
        "code": _UNREADABLE,
        "request_id": request_id,
    }


def _show_table(path: Path, outcome: Outcome, _request_id: str) -> None:
    name = printable(click.format_filename(path))
    if isinstance(outcome, Failure):
        click.echo(f"{name}: {outcome.detail} ({outcome.code})", err=True)
    elif isinstance(outcome, OSError):
        click.echo(f"{name}: {outcome.strerror}. ({_UNREADABLE})", err=True)
    else:
        click.echo(click.style(name, bold=True))
        Console().print(_table(outcome))


def _table(prediction: Prediction) -> Table:
    table = Table()
    table.add_column("class")
    table.add_column("id", justify="right")
    table.add_column("confidence", justify="right")
    for one in prediction.classes:
        # A plain string would be read as rich's markup.
        table.add_row(Text(one.class_name), str(one.class_id), f"{one.confidence:.1%}")
    return table
