"""How a history's database is named; apart, so that settings can be read without SQLAlchemy."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class NeededPackages:
    """What must be installed for a database, and the file of requirements that has it."""

    names: tuple[str, ...]
    requirements: str


def check_history_url(url: str) -> None:
    """Do nothing for an address of a database that can be used; raises ValueError for another.

    The error never holds the address, which may have a password.
    """
    if "%00" in url or "\0" in url:
        raise ValueError("a NUL byte can be in no address")
    if url.startswith("sqlite:"):
        _check_file(url)
    elif not url.startswith(f"{_POSTGRESQL}://"):
        raise ValueError(
            "it must begin with sqlite:/// and a file, or with postgresql:// and a host"
        )
    else:
        _check_server(url)


def needed_packages(url: str) -> NeededPackages:
    """Tell what must be installed for the database of an address."""
    names = ("sqlalchemy", "alembic")
    if url.startswith(_POSTGRESQL):
        return NeededPackages((*names, "psycopg"), "requirements-postgresql.txt")
    return NeededPackages(names, "requirements-history.txt")


def _check_file(url: str) -> None:
    path = url.removeprefix(_SQLITE)
    if path == url or path in ("", ":memory:") or path.endswith("/"):
        raise ValueError(
            "sqlite needs a file: sqlite:////DIRECTORY/history.db, or sqlite:///history.db for one "
            "in the working directory"
        )
    if "?" in path or path.startswith("file:"):
        raise ValueError("sqlite takes the path of a file, and no options")


def _check_server(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
        # A sign that is not written so would make a part of the password the host's name.
        if parts.netloc.count("@") > 1 or "@" in parts.path:
            raise ValueError
    except ValueError:
        raise ValueError(
            "it must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE. In the user and the "
            "password @ is written as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
        ) from None
    if parts.fragment:
        raise ValueError("# in the password is written as %23")
