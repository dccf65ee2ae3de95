"""`topfive evaluate`."""

from pathlib import Path
from typing import Any

import click

from topfive.cli.extras import require_packages
from topfive.cli.parameters import models_dir_option
from topfive.settings import read_settings

_ENGINES = ("auto", "openvino", "torch")
_PRECISIONS = ("auto", "f32", "bf16", "int8")
_PARTS = ("unseen", "held_out", "validation", "train", "all")


@click.command(short_help="Measure how good a model is on labelled photos.")
@click.argument("bundle")
@click.argument("photos", type=click.Path(path_type=Path, exists=True))
@click.option("--against", metavar="BUNDLE2",
              help="Compare with this bundle on the same photos.")  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html",
              help="Write a report with plots and the worst mistakes as pictures: one HTML file, "
              "which needs nothing else.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--part", default="unseen", show_default=True, type=click.Choice(_PARTS),
              help="Which photos: `unseen` leaves out those that the bundle was trained on or "
              "chosen by.")  # fmt: skip
@click.option("--worst", default=24, show_default=True, type=click.IntRange(0, 500),
              help="How many of the worst mistakes the report and the JSON have.")  # fmt: skip
@click.option("--engine", type=click.Choice(_ENGINES), help="[default: TOPFIVE_ENGINE]")
@click.option("--precision", type=click.Choice(_PRECISIONS), help="[default: TOPFIVE_PRECISION]")
@click.option("--against-engine", type=click.Choice(_ENGINES),
              help="The engine of BUNDLE2. [default: as --engine]")  # fmt: skip
@click.option("--against-precision", type=click.Choice(_PRECISIONS),
              help="The precision of BUNDLE2. [default: as --precision]")  # fmt: skip
@models_dir_option
def evaluate(**given: Any) -> None:
    """Measure how good a model is on labelled photos, through the pipeline that serves.

    BUNDLE is NAME, NAME@VERSION or a bundle's folder. PHOTOS is a folder with a folder of photos
    for each class, or a CSV with the columns file and class, class_name or class_id; classes are
    those of the bundle.

    Told are top-1 and top-5 accuracy with 95% intervals, how far confidences can be trusted, each
    class, and the time for a photo. With --against an exact McNemar test says whether one of the
    two is better, beyond what chance explains; where their classes differ, only photos of classes
    that both have are taken.

    \b
    Examples:
      topfive evaluate flowers photos/
      topfive evaluate flowers@1.1.0 photos/ --against flowers@1.0.0 --report report.html
      topfive evaluate mobilenet_v2 photos/labels.csv --json > evaluation.json
      topfive evaluate mobilenet_v2 photos/ --precision bf16 --against mobilenet_v2 \\
        --against-precision f32
    """
    _require_extras(needs_plots=given["report"] is not None)
    _check(**given)
    # What it needs is an extra, and takes a second to import.
    from topfive.cli.evaluation_run import EvaluationChoices, run_evaluation  # noqa: PLC0415

    run_evaluation(EvaluationChoices(**given), read_settings())


def _require_extras(*, needs_plots: bool) -> None:
    packages = ("scipy", "matplotlib") if needs_plots else ("scipy",)
    require_packages(packages, "topfive evaluate", "requirements-evaluate.txt")


def _check(
    against: str | None,
    against_engine: str | None,
    against_precision: str | None,
    report: Path | None,
    **_others: object,
) -> None:
    """Find out what is wrong with the options before any work is done."""
    if against is None and (against_engine or against_precision):
        raise click.UsageError("--against-engine and --against-precision go with --against.")
    if report is None:
        return
    if report.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(
            f"{report} does not end in .html, which it is.", param_hint="--report"
        )
    if not report.parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {report.parent}. Make it first.", param_hint="--report"
        )
