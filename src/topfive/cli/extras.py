"""What a command needs beside the serving packages."""

from importlib.util import find_spec

from topfive.errors import Mistake


def require_packages(packages: tuple[str, ...], command: str, requirements: str) -> None:
    """Do nothing if all packages are installed; raises Mistake with what to install."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise Mistake(
            f"`{command}` needs {' and '.join(missing)}, which {verb} not installed. Install what "
            f"it needs: pip install -r {requirements}"
        )
