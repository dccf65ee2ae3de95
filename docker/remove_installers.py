"""Deletes pip and its kin from the base image's Python: containers install nothing."""

import shutil
from importlib.util import find_spec
from pathlib import Path

INSTALLERS = ("pip", "setuptools", "pkg_resources", "wheel", "ensurepip", "_distutils_hack")
COMMANDS = ("pip*", "wheel*", "easy_install*")


def main() -> None:
    """Delete packages, what describes them, and commands."""
    for spec in [find_spec(name) for name in INSTALLERS]:
        if spec is not None and spec.origin is not None:
            _delete_package(Path(spec.origin).parent)
    for folder in (Path("/usr/bin"), Path("/usr/local/bin")):
        for pattern in COMMANDS:
            for command in folder.glob(pattern):
                command.unlink()


def _delete_package(package: Path) -> None:
    shutil.rmtree(package)
    for description in package.parent.glob(f"{package.name}-*-info"):
        shutil.rmtree(description)


main()
