"""`topfive bulk report`."""

from pathlib import Path

import click

from topfive.cli.extras import require_packages
from topfive.cli.progress import show_bar


@click.command(short_help="Write what came of a run as one HTML file.")
@click.argument("results", metavar="RESULTS")
@click.option("--out", default="report.html", show_default=True, metavar="FILE.html",
              type=click.Path(path_type=Path, dir_okay=False),
              help="Where the report is written; a former one is replaced.")  # fmt: skip
def report(results: str, out: Path) -> None:
    """Write what came of a run as one HTML file, which needs nothing else.

    It shows classes, confidences, errors with what to do about them, formats and sizes, throughput
    over time and by node, and the slowest pictures. RESULTS is the folder or the address that was
    named after --out. Nothing in it is changed. A run that is not finished, or still at work, is
    told as far as it has come.

    \b
    Examples:
      topfive bulk report results/
      topfive bulk report s3://bucket/results/ --out birds.html
    """
    packages = ("pyarrow", "matplotlib", "jinja2")
    files = "requirements-bulk.txt -r requirements-evaluate.txt"
    require_packages(packages, "topfive bulk report", files)
    _check(out)
    # They are extras, and take a second to import.
    from topfive.bulk.report.page import write_report  # noqa: PLC0415

    with show_bar("Reading shards") as progress:
        gathered = write_report(results, out, progress)
    if not gathered.is_whole:
        click.echo("Note: the run is not finished, which the report says.", err=True)
    click.echo(f"Report of {gathered.pictures:,} pictures: {out}")


def _check(out: Path) -> None:
    """Find out what is wrong with the report's place before any work is done."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{out} does not end in .html, which it is.", param_hint="--out")
    if not out.parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {out.parent}. Make it first.", param_hint="--out"
        )
