"""Finds a model's bundle, has it made where it is missing, and loads it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from topfive.bundles.manifest import MANIFEST_FILE, parse_manifest
from topfive.bundles.source import given_source
from topfive.bundles.store import demo_root, find_bundle, open_bundle
from topfive.catalog.child_process import run_child
from topfive.classify.classifier import Classifier, load_classifier
from topfive.engines.contract import EngineOptions
from topfive.errors import BundleRefused, OperatorError, WeightsRefused
from topfive.images.limits import ImageLimits


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model to serve, where its weights and labels come from, and where bundles lie."""

    model: str
    weights: str
    labels_file: Path | None
    models_dir: Path


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a bundle is loaded."""

    engine: EngineOptions
    image_limits: ImageLimits
    cpu_flags: frozenset[str]


def model_name(model: str) -> str:
    """Tell the name of a model given by name or by its bundle's directory."""
    if not _is_directory_path(model):
        return model
    folder = Path(model)
    try:
        where = f"{folder}/{MANIFEST_FILE}"
        return parse_manifest((folder / MANIFEST_FILE).read_bytes(), where).name
    except (OSError, BundleRefused):
        return folder.name


def locate_bundle(options: ModelOptions) -> Path | None:
    """Find the bundle that `options` mean, or None if it is not there.

    Raises WeightsRefused if given weights are missing.
    """
    if _is_directory_path(options.model):
        return Path(options.model)
    if options.weights:
        return find_bundle(options.models_dir, options.model, given_source(options.weights))
    return find_bundle(options.models_dir, options.model) or find_bundle(demo_root(), options.model)


def load_present(options: ModelOptions, how: LoadOptions) -> Classifier:
    """Load a model whose bundle is there.

    Raises WeightsRefused if it is not, BundleRefused or EngineRefused if it cannot be used.
    """
    folder = locate_bundle(options)
    if folder is None:
        raise WeightsRefused(f"There is no bundle of {options.model} in {options.models_dir} yet.")
    return load_classifier(open_bundle(folder), how.engine, how.image_limits, how.cpu_flags)


def obtain_model(options: ModelOptions, how: LoadOptions) -> Classifier:
    """Load a model, having its bundle made first where it is missing; raises as `load_present`."""
    if locate_bundle(options) is None:
        pull_in_own_process(options)
    return load_present(options, how)


def pull_in_own_process(options: ModelOptions, *, is_shown: bool = False) -> None:
    """Run `topfive pull` apart from this process, which so never imports torch.

    With `is_shown` its progress goes to standard error, if that is a terminal. Raises
    WeightsRefused with its message.
    """
    if find_spec("torch") is None:
        raise WeightsRefused(
            f"There is no bundle of {options.model}, and without torch none can be made here. "
            f"Install requirements-torch.txt, or copy a bundle into {options.models_dir}."
        )
    command = [sys.executable, "-m", "topfive", *_pull_arguments(options)]
    done = run_child(command, shows_progress=is_shown)
    if done.returncode != 0:
        raise WeightsRefused(_reason(done))


def explain(error: OperatorError, model: str) -> str:
    """Say why a model does not serve, in words that may be shown to anyone."""
    if isinstance(error, WeightsRefused):
        return f"The weights of {model} are not here. The service keeps trying; its log says more."
    if isinstance(error, BundleRefused):
        return f"The bundle of {model} is damaged. The service's log says more."
    return f"The model {model} cannot run here. The service's log says more."


def _is_directory_path(model: str) -> bool:
    return "/" in model


def _pull_arguments(options: ModelOptions) -> Iterator[str]:
    yield from ("pull", options.model, "--models-dir", str(options.models_dir))
    if options.weights:
        yield from ("--weights", options.weights)
    if options.labels_file:
        yield from ("--labels", str(options.labels_file))


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Take the message that `topfive pull` ended with, in one line."""
    found = re.split(r"(?:^|\r)Error: ", done.stderr, flags=re.MULTILINE)[1:]
    if found:
        return " ".join(found[-1].split())
    last = done.stderr.strip().rpartition("\n")[2].rpartition("\r")[2]
    return f"`topfive pull` ended with exit code {done.returncode}. {last}".rstrip()
