"""Other processes for the tests of the cache: a function of a test module in an interpreter."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def start_child(function: Callable[..., object], *given: object) -> subprocess.Popen[str]:
    """Call a module's function in another process; what it returns is printed there."""
    arguments = ", ".join(repr(str(one)) for one in given)
    name = function.__name__
    code = f"from {function.__module__} import {name}; print({name}({arguments}))"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )


def call_child(function: Callable[..., object], *given: object) -> str:
    """Call a function in another process; returns what it returned, as text."""
    with start_child(function, *given) as child:
        told, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return told.strip()
