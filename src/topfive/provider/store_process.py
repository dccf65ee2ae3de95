"""Has `topfive models` use the store apart from this process, which so needs no cloud's library.

The store's address may hold a login: the other process reads it from its own settings, because a
command line can be seen by others.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from topfive.bundles.versions import ModelReference
from topfive.errors import StoreUnreachable
from topfive.provider.reports import run_reporting
from topfive.registry.desired import ModelOptions, resolve


@dataclass(frozen=True, slots=True)
class ListingSummary:
    """How many bundles a store has, and why others are left out."""

    bundles: int
    refused: tuple[str, ...]


def fetch_in_own_process(
    reference: ModelReference, options: ModelOptions, *, is_shown: bool = False
) -> None:
    """Fetch a bundle from TOPFIVE_MODEL_STORE into the models directory of `options`.

    With `is_shown` the progress goes to standard error, if that is a terminal. Raises
    BundleMissing, StoreDenied or StoreUnreachable where trying again may help, else a Mistake.
    """
    arguments = ["models", "fetch", str(reference), "--report"]
    arguments += ["--models-dir", str(options.models_dir)]
    if is_shown:
        arguments.append("--progress")
    run_reporting(arguments, StoreUnreachable, shows_progress=is_shown)


def list_in_own_process(models_dir: Path) -> ListingSummary:
    """List TOPFIVE_MODEL_STORE, and keep the list in the models directory.

    Raises StoreDenied or StoreUnreachable where trying again may help, else a Mistake.
    """
    arguments = ["models", "available", "--keep-in", str(models_dir)]
    told = json.loads(run_reporting(arguments, StoreUnreachable))
    return ListingSummary(told["bundles"], tuple(told["refused"]))


def stored_reference(options: ModelOptions) -> ModelReference:
    """Tell what a store is asked for: of an official model the version that it is meant in."""
    official = resolve(options).official if options.is_official else None
    version = official.version if official else options.version
    return ModelReference(options.model, version or None)
