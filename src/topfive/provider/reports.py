"""Runs a `topfive` command apart from this process, and brings its errors back as they were."""

import json
import subprocess
import sys

from topfive.errors import (
    BundleMissing,
    BundleRefused,
    EngineRefused,
    HistoryRefused,
    HistoryUnreachable,
    LabelsRefused,
    OperatorError,
    SettingsError,
    StoreDenied,
    StoreUnreachable,
    WeightsRefused,
    WeightsUnreachable,
)
from topfive.provider.child_process import run_child

# What a command may end with; anything else is unforeseen, and may be over the next time.
_REPORTED = {
    kind.__name__: kind
    for kind in (
        BundleMissing,
        BundleRefused,
        EngineRefused,
        HistoryRefused,
        HistoryUnreachable,
        LabelsRefused,
        SettingsError,
        StoreDenied,
        StoreUnreachable,
        WeightsRefused,
        WeightsUnreachable,
    )
}

# Of their commands two words are the name.
_GROUPS = ("models", "db")


def run_reporting(
    arguments: list[str], unforeseen: type[OperatorError], *, shows_progress: bool = False
) -> str:
    """Run `topfive` with `arguments`; returns what it printed.

    Raises the error that it has told in JSON; without one, `unforeseen` with what it wrote last.
    """
    done = run_child([sys.executable, "-m", "topfive", *arguments], shows_progress=shows_progress)
    if done.returncode != 0:
        words = [one for one in arguments if not one.startswith("-")]
        name = " ".join(words[:2] if words[0] in _GROUPS else words[:1])
        raise _reported_error(done, name, unforeseen)
    return done.stdout


def _reported_error(
    done: subprocess.CompletedProcess[str], name: str, unforeseen: type[OperatorError]
) -> OperatorError:
    try:
        found = json.loads(done.stdout)
        return _REPORTED[found["kind"]](found["message"])
    except (ValueError, KeyError, TypeError):
        last = done.stderr.strip().rpartition("\n")[2].rpartition("\r")[2]
        told = f"`topfive {name}` ended with exit code {done.returncode}. {last}".rstrip()
        return unforeseen(told)
