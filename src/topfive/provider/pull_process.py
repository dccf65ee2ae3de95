"""Has `topfive pull` make a bundle, apart from this process, and brings its errors back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

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
from topfive.provider.child_process import run_child
from topfive.registry.desired import ModelOptions


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


def _pull_arguments(options: ModelOptions) -> Iterator[str]:
    yield from ("pull", options.model, "--report", "--models-dir", str(options.models_dir))
    given = {
        "weights": options.weights,
        "labels": options.labels_file,
        "name": options.name,
        "version": options.version,
    }
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
