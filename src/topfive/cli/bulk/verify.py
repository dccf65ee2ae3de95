"""`topfive bulk verify`."""

import sys
from typing import TYPE_CHECKING

import click

from topfive.cli.extras import require_packages
from topfive.errors import Mistake
from topfive.telemetry.console import printable

if TYPE_CHECKING:
    from topfive.bulk.results.counting import Count

_MOST_SHOWN = 20


@click.command(short_help="Count whether every picture is in the results, once.")
@click.argument("results", metavar="RESULTS")
def verify(results: str) -> None:
    """Read all result files of a run, and count its pictures.

    RESULTS is the folder or the address that was named after --out. Nothing in it is changed. The
    exit code is 0 if every picture is there once, 1 if not: delete wrong files then, and --resume
    writes what is missing.

    \b
    Example:
      topfive bulk verify results/
    """
    require_packages(("pyarrow",), "topfive bulk verify", "requirements-bulk.txt")
    # They are an extra, and take a moment to import.
    from topfive.bulk.results.counting import count_pictures  # noqa: PLC0415
    from topfive.bulk.results.folder import open_results  # noqa: PLC0415
    from topfive.bulk.results.manifest import read_manifest  # noqa: PLC0415

    folder = open_results(results)
    manifest = read_manifest(folder)
    if manifest is None:
        raise Mistake(f"{folder.shown} holds no run of `topfive bulk`.")
    count = count_pictures(folder, manifest)
    if count.is_exact:
        click.echo(f"{count.pictures:,} pictures, each of them once, in {count.files:,} files.")
        return
    for line in _complaints(count):
        click.echo(printable(line), err=True)
    sys.exit(1)


def _complaints(count: "Count") -> list[str]:
    """Tell what is wrong, a line each, the first of many."""
    told = [
        *(f"Shard {shard} has no file." for shard in count.missing[:_MOST_SHOWN]),
        *(f"{name}: {why}." for name, why in list(count.wrong.items())[:_MOST_SHOWN]),
        *(f"{name} is not of this run." for name in count.others[:_MOST_SHOWN]),
    ]
    whole = f"{count.pictures:,} of {count.expected:,} pictures are there"
    missing, wrong, others = len(count.missing), len(count.wrong), len(count.others)
    why = f"Shards without a file: {missing:,}; wrong files: {wrong:,}; other files: {others:,}"
    advice = "Delete wrong files; the same `topfive bulk` with --resume writes what is missing."
    return [*told, f"{whole}. {why}.", advice]
