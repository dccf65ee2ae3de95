"""A virtual environment for each peer, made once and kept below `build/compare`."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from uploads import REPOSITORY

ENVIRONMENTS = REPOSITORY / "build/compare"
REQUIREMENTS = REPOSITORY / "benchmarks/peers"


def make_environment(name: str, *, borrows: bool) -> Path:
    """Install a peer's requirements; return its Python.

    With `borrows` the packages of the Python that runs this count as installed, so that torch is
    not fetched a second time. Raises SystemExit if something cannot be installed.
    """
    folder = ENVIRONMENTS / name
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True, clear=True)
    if borrows:
        _borrow(folder, [path for path in sys.path if path.endswith("site-packages")])
    _install(python, REQUIREMENTS / f"requirements-{name}.txt")
    return python


def _borrow(folder: Path, packages: Sequence[str]) -> None:
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "borrowed.pth").write_text("".join(f"{path}\n" for path in packages), encoding="utf-8")


def _install(python: Path, requirements: Path) -> None:
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.run([*pip, "-r", requirements], check=False).returncode:
        raise SystemExit(f"compare: {requirements.name} cannot be installed; see above")
