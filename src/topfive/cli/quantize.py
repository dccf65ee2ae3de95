"""`topfive quantize`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from topfive.bundles.official import OFFICIAL_ARCHITECTURES
from topfive.bundles.store import Bundle, list_manifests
from topfive.bundles.versions import INT8_SUFFIX, quantized_version
from topfive.cli.extras import require_packages
from topfive.cli.named_bundles import find_named_bundle
from topfive.cli.parameters import check_named, models_dir_option
from topfive.cli.progress import show_bar
from topfive.errors import BundleRefused, SettingsError
from topfive.machine.probe import probe_machine
from topfive.registry.loader import open_located
from topfive.settings import read_settings
from topfive.telemetry.console import printable

if TYPE_CHECKING:
    from topfive.training.quantization.quantization import Quantized

_MB = 1_000_000


@click.command(short_help="Make a version of a model that can compute in int8.")
@click.argument("bundle")
@click.option("--calibrate", "photos", required=True, metavar="PHOTOS",
              type=click.Path(path_type=Path, exists=True),
              help="Labelled photos to calibrate and measure on: a folder for each class, or a "
              "CSV.")  # fmt: skip
@click.option("--most-photos", default=300, show_default=True, type=click.IntRange(1, 100_000),
              help="How many of them to calibrate on at most.")  # fmt: skip
@click.option("--most-drop", default=0.5, show_default=True, type=click.FloatRange(0, 100),
              help="By how many points top-1 accuracy may drop.")  # fmt: skip
@click.option("--version", help="The version that is made, such as 1.0.1. [default: the next patch "
              f"of a semantic version, else the bundle's with {INT8_SUFFIX}]")  # fmt: skip
@models_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def quantize(
    bundle: str,
    photos: Path,
    most_photos: int,
    most_drop: float,
    version: str | None,
    models_dir: Path | None,
    as_json: bool,
) -> None:
    """Make a version of a model that can also compute in int8: smaller, and faster on many CPUs.

    BUNDLE is NAME, NAME@VERSION or a bundle's folder. PHOTOS is a folder with a folder of photos
    for each class, or a CSV with the columns file and class, class_name or class_id; classes are
    those of the bundle. A third of the photos, or those that the model was trained with, are
    calibrated on: they say which range of numbers eight bits have to hold. On the others top-1
    accuracy is measured in int8 and in f32. If it drops by more than --most-drop, nothing is kept.

    The version that is made has both graphs. It is served in int8 where the CPU computes in that
    by itself (VNNI, AMX) and it was measured to be faster there. Prints the bundle's folder; what
    was measured goes to standard error.

    \b
    Examples:
      topfive quantize flowers --calibrate photos/
      topfive quantize mobilenet_v2 --calibrate photos/labels.csv --most-drop 1
      topfive quantize flowers@1.2.0 --calibrate photos/ --json > quantized.json
    """
    require_packages(("nncf", "scipy"), "topfive quantize", "requirements-quantize.txt")
    root = models_dir or read_settings().models_dir
    source = _open(bundle, root)
    made = _quantize(
        source, _version(source, version, root), photos, root, (most_photos, most_drop)
    )
    if as_json:
        click.echo(json.dumps(_document(made)))
        return
    _show(made)
    click.echo(made.folder)


def _open(reference: str, models_dir: Path) -> Bundle:
    """Open the bundle that is named; raises BundleRefused where it cannot be quantized."""
    bundle = open_located(find_named_bundle(reference, models_dir))
    manifest = bundle.manifest
    if manifest.int8 is not None:
        of = manifest.int8.made_of
        raise BundleRefused(
            f"{manifest.name} {manifest.version} has an int8 graph already. Name the version that "
            f"it was made of{f', {of}' if of else ''}, or another."
        )
    if not manifest.golden.inputs:
        raise BundleRefused(
            f"{manifest.name} {manifest.version} was made before its reference's logits were kept, "
            "and int8 could not be checked. Delete it, and make it again with `topfive pull`."
        )
    return bundle


def _version(bundle: Bundle, given: str | None, models_dir: Path) -> str:
    """Tell which version is made; raises SettingsError where there is one of that name."""
    manifest = bundle.manifest
    if given and manifest.name in OFFICIAL_ARCHITECTURES:
        raise click.BadParameter(
            f"{manifest.name} is an official model, whose versions have names of their own. Leave "
            "the option out.", param_hint="--version",
        )  # fmt: skip
    taken = {one.version for _, one in list_manifests(models_dir) if one.name == manifest.name}
    version = given or quantized_version(manifest.version, taken)
    check_named(version, "--version")
    if (models_dir / manifest.name / version).exists():
        raise SettingsError(
            f"There is a version {version} of {manifest.name} in {models_dir} already, and a "
            "version never changes. Choose another with --version, or delete it."
        )
    return version


def _quantize(
    bundle: Bundle, version: str, photos: Path, models_dir: Path, most: tuple[int, float]
) -> "Quantized":
    # These take seconds to import, and what is wrong with the options is said at once.
    from topfive.datasets.reading import read_dataset  # noqa: PLC0415
    from topfive.training.quantization.quantization import (  # noqa: PLC0415
        QuantizationPlan,
        quantize_bundle,
    )

    with show_bar("Reading photos") as report:
        dataset = read_dataset(photos, bundle.labels, report=report)
    for note in dataset.notes:
        click.echo(f"Note: {printable(note)}", err=True)
    plan = QuantizationPlan(bundle, version, dataset, models_dir, *most)
    with show_bar("Classifying in each precision") as report:
        return quantize_bundle(plan, probe_machine().cpu_flags, report)


def _document(made: "Quantized") -> dict[str, Any]:
    manifest = made.manifest
    return {
        "folder": str(made.folder),
        "name": manifest.name,
        "version": manifest.version,
        "int8": manifest.int8.model_dump() if manifest.int8 else None,
        "comparison_with_f32": made.measurement.comparison.to_document(),
    }


def _show(made: "Quantized") -> None:
    """Show on standard error what int8 costs and gives."""
    section, measurement = made.manifest.int8, made.measurement
    table = Table("precision")
    for column in ("top-1", "top-5", "ms", "MB"):
        table.add_column(column, justify="right")
    for precision, row in measurement.table.items():
        table.add_row(precision, *_cells(row))
    Console(stderr=True).print(table)
    if section is None:
        return
    difference = measurement.comparison.difference
    low, high = 100 * difference.low, 100 * difference.high
    told = {
        "Model": f"{made.manifest.name}, version {made.manifest.version}",
        "Calibrated": f"on {section.calibration_photos} photos",
        "Accuracy": f"{100 * difference.value:+.2f} points in int8 (95% interval {low:+.2f} to "
        f"{high:+.2f}), on {section.held_out_photos} other photos",
        "Serve": f"TOPFIVE_MODEL={made.manifest.reference} topfive serve",
    }
    if "inference_ms" not in measurement.table["int8"]:
        told["Note"] = (
            "this CPU does not compute in int8 by itself, and serves in another precision"
        )
    for word, text in told.items():
        click.echo(f"{word + ':':<12}{text}", err=True)


def _cells(row: Mapping[str, float]) -> tuple[str, ...]:
    time_ms = f"{row['inference_ms']:.2f}" if "inference_ms" in row else "-"
    size_mb = f"{row['graph_bytes'] / _MB:.1f}"
    return f"{row['top1']:.1%}", f"{row['top5']:.1%}", time_ms, size_mb
