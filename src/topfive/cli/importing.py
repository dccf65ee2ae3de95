"""`topfive import`."""

import json
from pathlib import Path
from typing import Any

import click

from topfive.bundles.manifest import Manifest
from topfive.bundles.recipe import parse_channels
from topfive.bundles.store import read_manifest
from topfive.cli.made_bundle import show_made
from topfive.cli.parameters import Channels, check_named, models_dir_option
from topfive.settings import read_settings
from topfive.training.importing.plan import ImportPlan
from topfive.training.importing.recipe import ImportRecipe, read_recipe

_RECIPE_OPTIONS = (
    "resize", "crop", "interpolation", "mean", "std", "channels", "layout", "range", "output",
)  # fmt: skip
_SIDE = click.IntRange(1, 4096)
_GIVES = {
    "logits": "logits",
    "softmax": "logits, before the softmax that the file ends in",
    "probabilities": "probabilities; their logarithm is taken",
}


@click.command("import", short_help="Make a bundle of an ONNX or OpenVINO file.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What the model is called.")
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help="A text file with one class name a line, in the order of the model's outputs.",
)
@click.option("--version", help="Such as 1.2.0. [default: named after the content]")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="A TOML file with any of the options from --resize to --output, by name.",
)
@click.option("--resize", type=_SIDE, help="Pixels to which the shorter side is resized.")
@click.option(
    "--crop",
    type=_SIDE,
    help="Side of the square that is cut from the middle. [default: what the file fixes]",
)
@click.option(
    "--interpolation",
    type=click.Choice(["nearest", "bilinear", "bicubic"]),
    help="How pictures are resized. [default: bilinear]",
)
@click.option(
    "--mean", type=Channels(parse_channels), help="For red, green and blue, of values in --range."
)
@click.option(
    "--std", type=Channels(parse_channels), help="The same. For neither, 0,0,0 and 1,1,1."
)
@click.option(
    "--channels",
    type=click.Choice(["rgb", "bgr"]),
    help="The model's own order. [default: rgb]",
)
@click.option(
    "--layout",
    type=click.Choice(["nchw", "nhwc"]),
    help="The model's own order of axes. [default: as its shape says]",
)
@click.option(
    "--range",
    type=click.Choice(["0-1", "0-255"]),
    help="The values that --mean is taken from and --std divides. [default: 0-1]",
)
@click.option(
    "--output",
    type=click.Choice(["logits", "probabilities"]),
    help="What the model gives. [default: as its numbers say]",
)
@models_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def import_command(model: Path, *, as_json: bool, **given: Any) -> None:
    """Make a bundle of a model of another format: MODEL is an ONNX file, or an OpenVINO IR's .xml.

    It must take one RGB picture and give a number for each class. Its file does not say how
    pictures are prepared: that is what --resize to --range are for. The bundle is made only if
    OpenVINO computes what onnxruntime does, for seven golden inputs; an OpenVINO IR, which nothing
    else reads, is held against itself before pictures were joined to it. Nothing in a file is run,
    and nothing outside its folder is read. An imported model is served by OpenVINO alone, and has
    no heatmaps. Prints the bundle's folder; what is in it goes to standard error.

    \b
    Examples:
      topfive import birds.onnx --name birds --labels birds.txt --resize 256 --crop 224 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
      topfive import birds.onnx --name birds --labels birds.txt --recipe birds.toml --version 1.2.0
      topfive import keras.onnx --name birds --labels birds.txt --resize 224 --range 0-255 --mean 127.5,127.5,127.5 --std 127.5,127.5,127.5
      topfive import model.xml --name birds --labels birds.txt --resize 256 --range 0-255 --mean 0,0,0 --std 1,1,1 --channels bgr
    """  # noqa: E501 - a line that can be copied whole
    plan = _plan(model, given)
    # It imports OpenVINO, which no other command needs.
    from topfive.training.importing.bundle import import_model  # noqa: PLC0415

    folder = import_model(plan)
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps(_document(folder, manifest)))
        return
    show_made(folder, _notes(manifest))
    click.echo(folder)


def _plan(model: Path, given: dict[str, Any]) -> ImportPlan:
    return ImportPlan(
        model=model,
        name=check_named(given["name"], "--name"),
        labels_file=given["labels"],
        wants=_recipe(given),
        models_dir=given["models_dir"] or read_settings().models_dir,
        version=check_named(given["version"], "--version") if given["version"] else "",
    )


def _recipe(given: dict[str, Any]) -> ImportRecipe:
    options = {name: given[name] for name in _RECIPE_OPTIONS if given[name] is not None}
    return read_recipe(given["recipe"], options)


def _notes(manifest: Manifest) -> list[tuple[str, str]]:
    imported = manifest.imported
    if imported is None:
        return []
    return [
        ("Takes", f"{imported.channels.upper()} as {imported.layout.upper()}"),
        ("Gives", _GIVES[imported.output]),
        ("Golden", f"agrees with {imported.reference}"),
        ("Heatmap", "none: an imported graph does not say what it sees where"),
    ]


def _document(folder: Path, manifest: Manifest) -> dict[str, Any]:
    wanted = {"name", "version", "architecture", "classes", "source", "input", "imported"}
    return {"folder": str(folder)} | manifest.model_dump(mode="json", include=wanted)
