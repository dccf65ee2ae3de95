"""`topfive bulk PICTURES --out RESULTS`."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from topfive.cli.extras import require_packages
from topfive.settings import read_settings
from topfive.telemetry.console import printable
from topfive.telemetry.logs import LogOptions, configure_logs

if TYPE_CHECKING:
    from topfive.bulk.run import BulkSummary

_ENGINES = ("auto", "openvino", "torch")
_PRECISIONS = ("auto", "f32", "bf16", "int8")
_FORMATS = ("parquet", "ndjson", "csv")


def _one_place(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> str:
    if len(given) > 1:
        raise click.UsageError(
            f"PICTURES is one place, and here are {len(given):,}: {printable(given[0])}, "
            f"{printable(given[1])}{' and so on' if len(given) > 2 else ''}. Name their folder, "
            "put a glob in quotes ('photos/*.jpg'), or write their names into a list (names.txt)."
        )
    return given[0]


@click.command(name="bulk", short_help="Classify very many pictures into files, on Ray.")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURES", callback=_one_place)
@click.option("--out", required=True, metavar="RESULTS", help="Where results are written: an "
              "empty or new folder, or the address of one.")  # fmt: skip
@click.option("--resume", "is_resumed", is_flag=True,
              help="Go on with the run that RESULTS holds; begin where it holds none.")  # fmt: skip
@click.option("--actors", type=click.IntRange(1, 100_000),
              help="How many work at once. [default: one for each CPU]")  # fmt: skip
@click.option("--address", default="", metavar="HOST:PORT|auto",
              help="Work on this Ray cluster. [default: this machine alone]")  # fmt: skip
@click.option("--wait-s", default=60.0, show_default=True, type=click.FloatRange(0, 86_400),
              help="How long to wait for nodes of that cluster.")  # fmt: skip
@click.option("--format", type=click.Choice(_FORMATS), default="parquet", show_default=True,
              help="The form of the results.")  # fmt: skip
@click.option("--shard-pictures", default=1000, show_default=True, type=click.IntRange(1, 100_000),
              help="How many pictures are worked on together: one file of results, and what is "
              "done again at most after a kill.")  # fmt: skip
@click.option("--column", default="", metavar="NAME", help="Of a Parquet table: the column of "
              "pictures or of their names. [default: the only one that fits]")  # fmt: skip
@click.option("--model", default="", metavar="NAME|FOLDER",
              help="NAME, NAME@VERSION or a bundle's folder. [default: TOPFIVE_MODEL]")  # fmt: skip
@click.option("--engine", type=click.Choice(_ENGINES),
              help="[default: TOPFIVE_ENGINE]")  # fmt: skip
@click.option("--precision", type=click.Choice(_PRECISIONS),
              help="[default: TOPFIVE_PRECISION]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def score(as_json: bool, **given: Any) -> None:
    """Classify very many pictures, and write what comes of each into files.

    PICTURES is a folder, a glob, the prefix of a bucket, a list of names or a Parquet table. A bad
    picture is a row with the code of its failure, and stops nothing.

    \b
    Examples:
      topfive bulk photos/ --out results/
      topfive bulk photos/ --out results/ --resume
      topfive bulk s3://bucket/photos/ --out s3://bucket/results/ --address auto
    """
    require_packages(("ray", "pyarrow"), "topfive bulk", "requirements-bulk.txt")
    # They are an extra, and take a second to import.
    from topfive.bulk.run import BulkChoices, run_bulk  # noqa: PLC0415
    from topfive.cli.bulk.progress import show_progress  # noqa: PLC0415

    configure_logs(LogOptions("critical", "console"), sys.stderr)
    choices = BulkChoices(**given)
    with show_progress() as progress:
        summary = run_bulk(choices, read_settings(), progress)
    if as_json:
        click.echo(json.dumps(asdict(summary)))
    else:
        _show(summary)


def _show(summary: "BulkSummary") -> None:
    from topfive.bulk.pace import show_duration  # noqa: PLC0415

    totals, model = summary.totals, summary.model
    bad = sum(totals.errors.values())
    click.echo(
        f"{totals.pictures:,} pictures in {printable(summary.results)}: "
        f"{totals.pictures - bad:,} classified, {bad:,} with an error."
    )
    for code, count in sorted(totals.errors.items(), key=lambda one: (-one[1], one[0])):
        click.echo(f"  {count:>9,}  {code}")
    rate = summary.done_now / summary.duration_s
    click.echo(
        f"Done now: {summary.done_now:,} in {show_duration(summary.duration_s)}, {rate:,.0f} a "
        f"second, by {model.name} {model.version} ({model.engine}, {model.precision})."
    )
