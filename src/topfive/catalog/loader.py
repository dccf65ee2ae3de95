"""Finds a model's bundle, has it made where it is missing, and loads it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from topfive.bundles.official import is_impostor
from topfive.bundles.store import Bundle, demo_root, find_bundle, list_manifests, open_bundle
from topfive.catalog.child_process import run_child
from topfive.catalog.wanted import ModelOptions, resolve, wanted_name
from topfive.classify.classifier import Classifier, load_classifier
from topfive.engines.architectures import ARCHITECTURES
from topfive.engines.contract import EngineOptions
from topfive.errors import (
    BundleMissing,
    BundleRefused,
    EngineRefused,
    LabelsRefused,
    OperatorError,
    SettingsError,
    WeightsRefused,
    WeightsUnreachable,
)
from topfive.images.limits import ImageLimits


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a bundle is loaded."""

    engine: EngineOptions
    image_limits: ImageLimits
    cpu_flags: frozenset[str]


def known_models(models_dir: Path) -> list[str]:
    """List the names that a model can be asked for by."""
    roots = (demo_root(), models_dir)
    made = {manifest.name for root in roots for _, manifest in list_manifests(root)}
    return [*ARCHITECTURES, *sorted(made - set(ARCHITECTURES))]


def locate_bundle(options: ModelOptions) -> Path | None:
    """Find the bundle that `options` mean, or None if it is not there and can be made.

    Raises SettingsError if the model is not known, WeightsRefused or LabelsRefused if what it is
    made of is not there, BundleRefused if a damaged bundle may be the one.
    """
    if options.is_directory:
        return Path(options.model)
    if options.model in ARCHITECTURES:
        wanted = resolve(options)
        return find_bundle(options.models_dir, wanted.name, wanted.is_made_as)
    # What is shipped inside has a name of its own, which no bundle on disk takes over.
    for root in (demo_root(), options.models_dir):
        folder = find_bundle(root, options.model)
        if folder is not None:
            return folder
    raise SettingsError(
        f"There is no model {options.model!r}. Known: "
        f"{', '.join(known_models(options.models_dir))}; or the path of a bundle's directory."
    )


def open_located(folder: Path) -> Bundle:
    """Open a bundle; raises BundleRefused if it is damaged, or has an official name wrongly."""
    bundle = open_bundle(folder)
    name = bundle.manifest.name
    if is_impostor(name, bundle.manifest.source):
        raise BundleRefused(
            f"The bundle in {folder} calls itself {name}, but is not made of the official weights. "
            'Change "name" in its bundle.json, or make it again: topfive pull --name NAME.'
        )
    return bundle


def find_impostors(models_dir: Path) -> list[Path]:
    """List bundles that have an official name, but are made of weights of one's own.

    Earlier releases made such; they are never served as the official model.
    """
    return [
        folder
        for folder, manifest in list_manifests(models_dir)
        if is_impostor(manifest.name, manifest.source)
    ]


def load_present(options: ModelOptions, how: LoadOptions) -> Classifier:
    """Load a model whose bundle is there.

    Raises BundleMissing if it is not, a Mistake if it cannot be used.
    """
    folder = locate_bundle(options)
    if folder is None:
        raise BundleMissing(
            f"There is no bundle of {wanted_name(options)} in {options.models_dir} yet."
        )
    return load_classifier(open_located(folder), how.engine, how.image_limits, how.cpu_flags)


def obtain_model(options: ModelOptions, how: LoadOptions) -> Classifier:
    """Load a model, having its bundle made first where it is missing.

    Raises as `load_present` and `pull_in_own_process`.
    """
    if locate_bundle(options) is None:
        pull_in_own_process(options)
    return load_present(options, how)


def pull_in_own_process(options: ModelOptions, *, is_shown: bool = False) -> None:
    """Run `topfive pull` apart from this process, which so never imports torch.

    With `is_shown` its progress goes to standard error, if that is a terminal. Raises what the pull
    has raised: a Mistake, or WeightsUnreachable or BundleMissing where trying again may help.
    """
    if find_spec("torch") is None:
        kind = BundleMissing if options.is_official else WeightsRefused
        raise kind(
            f"There is no bundle of {options.model}, and without torch none can be made here. "
            f"Install requirements-torch.txt, or copy a bundle into {options.models_dir}."
        )
    command = [sys.executable, "-m", "topfive", *_pull_arguments(options)]
    done = run_child(command, shows_progress=is_shown)
    if done.returncode != 0:
        raise _reported_error(done)


def explain(error: OperatorError, model: str) -> str:
    """Say why a model does not serve, in words that may be shown to anyone."""
    if isinstance(error, WeightsUnreachable):
        return (
            f"The weights of {model} could not be downloaded. "
            "The service keeps trying; its log says more."
        )
    if isinstance(error, BundleRefused):
        return f"The bundle of {model} is damaged. The service's log says more."
    if isinstance(error, EngineRefused):
        return f"The model {model} cannot run here. The service's log says more."
    if isinstance(error, (WeightsRefused, LabelsRefused, SettingsError)):
        return (
            f"What is given for {model} (weights, labels or settings) cannot be used. "
            "The service's log says more."
        )
    return f"The bundle of {model} is not here yet. The service keeps trying; its log says more."


def _pull_arguments(options: ModelOptions) -> Iterator[str]:
    yield from ("pull", options.model, "--report", "--models-dir", str(options.models_dir))
    given = {"weights": options.weights, "labels": options.labels_file, "name": options.name}
    for name, value in (given | options.recipe.given).items():
        if value:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            yield from (f"--{name}", text)


# What a pull may end with; anything else is unforeseen, and may be over the next time.
_REPORTED = {
    kind.__name__: kind
    for kind in (
        BundleMissing,
        BundleRefused,
        EngineRefused,
        LabelsRefused,
        SettingsError,
        WeightsRefused,
        WeightsUnreachable,
    )
}


def _reported_error(done: subprocess.CompletedProcess[str]) -> OperatorError:
    """Make the error that a pull has reported in JSON; without one, of what it wrote last."""
    try:
        found = json.loads(done.stdout)
        return _REPORTED[found["kind"]](found["message"])
    except (ValueError, KeyError, TypeError):
        last = done.stderr.strip().rpartition("\n")[2].rpartition("\r")[2]
        told = f"`topfive pull` ended with exit code {done.returncode}. {last}".rstrip()
        return BundleMissing(told)
