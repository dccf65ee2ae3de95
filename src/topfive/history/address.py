"""How a history's database is named; apart, so that settings can be read without SQLAlchemy."""

from urllib.parse import urlsplit

_KINDS = ("sqlite", "postgresql")


def check_history_url(url: str) -> None:
    """Do nothing for an address of a database that can be used; raises ValueError for another.

    The error never holds the address, which may have a password.
    """
    if _kind_of(url) not in _KINDS:
        raise ValueError(
            "it must begin with sqlite:/// and a file, or with postgresql:// and a host"
        )
    if url.startswith("sqlite") and not _is_file(url):
        raise ValueError(
            "sqlite needs a file: sqlite:////DIRECTORY/history.db, or sqlite:///history.db for one "
            "in the working directory"
        )


def _kind_of(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _is_file(url: str) -> bool:
    path = url.removeprefix("sqlite:///")
    return path != url and bool(path) and path != ":memory:" and not path.endswith("/")
