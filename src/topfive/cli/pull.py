"""`topfive pull`."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from topfive.bundles.recipe import RecipeOptions, parse_mean, parse_std
from topfive.bundles.versions import split_reference
from topfive.cli.made_bundle import show_made
from topfive.cli.parameters import Channels, check_named, limit_network_waits, models_dir_option
from topfive.engines.architectures import require_known
from topfive.errors import Mistake, OperatorError, WeightsRefused
from topfive.registry.desired import ModelOptions, resolve
from topfive.settings import Settings, parse_settings, read_settings


@click.command(short_help="Make the bundle of one of torchvision's classifiers.")
@click.argument("model")
@click.option("--weights", help="A local .pth or .safetensors file, or a URL of one. "
              "[default: TOPFIVE_WEIGHTS, else torchvision's official weights]")  # fmt: skip
@click.option("--labels", type=click.Path(path_type=Path),
              help="A text file with one class name a line. [default: TOPFIVE_LABELS]")  # fmt: skip
@click.option("--name", help="What a model of your own is called. "
              "[default: TOPFIVE_MODEL_NAME, else as its weights' file]")  # fmt: skip
@click.option("--version", help="The version that is made, such as 1.2.0; of an official model, "
              "torchvision's. [default: named after the content; the newest]")  # fmt: skip
@click.option("--resize", type=click.IntRange(1, 4096),
              help="Pixels to which the shorter side is resized. "
              "[default: torchvision's]")  # fmt: skip
@click.option("--crop", type=click.IntRange(1, 4096),
              help="Side of the square that is cut from the middle. "
              "[default: torchvision's]")  # fmt: skip
@click.option(
    "--mean", type=Channels(parse_mean), help="For channels of 0 to 1. [default: torchvision's]"
)
@click.option("--std", type=Channels(parse_std), help="The same. [default: torchvision's]")
@click.option("--interpolation", type=click.Choice(["nearest", "bilinear", "bicubic"]),
              help="How pictures are resized. [default: torchvision's]")  # fmt: skip
@models_dir_option
@click.option("--report", is_flag=True, hidden=True, help="Tell of an error in JSON, for `serve`.")
def pull(model: str, *, report: bool, **given: Any) -> None:
    """Make the bundle of a model: MODEL is one of torchvision's classifiers, or NAME@VERSION.

    With weights, labels or a recipe of your own it becomes a model of your own, with a name of its
    own. Prints the bundle's folder; what is in it goes to standard error. A bundle that is there
    already is left as it is; one of an earlier release, which has no heatmaps, is made again of its
    own weights. The recipe's options have the defaults TOPFIVE_INPUT_*, and where those are empty
    torchvision's for MODEL. docs/architectures.md lists all classifiers.

    \b
    Examples:
      topfive pull mobilenet_v2
      topfive pull efficientnet_b0
      topfive pull resnet50 --weights resnet50.pth
      topfive pull mobilenet_v2 --weights birds.safetensors --labels birds.txt --name birds
      topfive pull mobilenet_v2 --weights birds2.safetensors --name birds --version 2.0.0
      topfive pull mobilenet_v2@imagenet1k-v1
      topfive pull resnet50 --weights x.pth --resize 256 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5
    """
    try:
        folder = _pull(model, given, parse_settings({}) if report else read_settings())
    except OperatorError as error:
        if not report:
            raise
        click.echo(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        sys.exit(2 if isinstance(error, Mistake) else 1)
    if not report:
        show_made(folder)
    click.echo(folder)


def _pull(reference: str, given: dict[str, Any], settings: Settings) -> Path:
    # torch takes seconds to import: what it is not needed for is said at once.
    model, version = split_reference(reference)
    require_known(model)
    if version is not None and given["version"] not in (None, version):
        raise click.BadParameter("MODEL names another version.", param_hint="--version")
    options = _options(model, settings, given, version or given["version"] or "")
    resolve(options)
    _require_torch()
    from topfive.training.pull import pull_bundle  # noqa: PLC0415 - imports torch

    limit_network_waits()
    return pull_bundle(options)


def _options(model: str, settings: Settings, given: dict[str, Any], version: str) -> ModelOptions:
    """Take what is given as an option, else what settings say."""
    recipe = settings.recipe.given | {
        name: given[name]
        for name in ("resize", "crop", "mean", "std", "interpolation")
        if given[name] is not None
    }
    return ModelOptions(
        model=model,
        weights=settings.weights if given["weights"] is None else given["weights"],
        labels_file=given["labels"] or settings.labels,
        models_dir=given["models_dir"] or settings.models_dir,
        name=check_named(given["name"], "--name") if given["name"] else settings.model_name,
        recipe=RecipeOptions(**recipe),
        version=version,
    )


def _require_torch() -> None:
    if find_spec("torch") is None:
        raise WeightsRefused(
            "torch is not installed, and a bundle cannot be made without it. Install "
            "requirements-torch.txt, or copy a bundle made elsewhere into the models directory."
        )
