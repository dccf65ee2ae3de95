"""What a command needs beside the serving packages."""

from importlib.util import find_spec

from topfive.errors import Mistake


def require_packages(packages: tuple[str, ...], command: str, requirements: str) -> None:
    """Do nothing if all packages are installed; raises Mistake with what to install."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise Mistake(
            f"`{command}` needs {' and '.join(missing)}, which is not installed. Install what it "
            f"needs: pip install -r {requirements}"
        )
