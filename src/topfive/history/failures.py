"""What a database's own errors mean, in words for whoever runs the service; never with its address.

Sources: https://www.sqlite.org/rescode.html and
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from topfive.errors import HistoryUnreachable


class HistoryUnusable(HistoryUnreachable):
    """The database answers, but cannot be used as it is; waiting does not help."""


class RowsRefused(HistoryUnreachable):
    """The database does not take what a row holds."""


_NO_TABLE = "lacks a table or a column of the history. Bring it up to date: topfive db upgrade"

# By how the error's name begins; the first that fits counts.
_SQLITE = (
    ("SQLITE_BUSY", True, "is locked by another program"),
    ("SQLITE_LOCKED", True, "is locked by another program"),
    ("SQLITE_FULL", True, "cannot grow: its disk is full"),
    ("SQLITE_INTERRUPT", True, "took too long"),
    ("SQLITE_READONLY", False, "cannot be written to: its file or directory is read-only"),
    ("SQLITE_CANTOPEN", False, "is not there, or its directory is closed to the service's user"),
    ("SQLITE_NOTADB", False, "is not a SQLite database"),
    ("SQLITE_CORRUPT", False, "is damaged. Restore a backup, or move it away to begin anew"),
    ("SQLITE_IOERR", True, "cannot be read or written: its disk fails"),
)  # fmt: skip

# By how the code, SQLSTATE, begins.
_POSTGRESQL = (
    ("57014", True, "took too long"),
    ("55P03", True, "is locked by another program"),
    ("40", True, "is at work for others on the same rows"),
    ("25006", False, "is read-only"),
    ("28", False, "refuses the user or the password"),
    ("3D000", False, "is not there: no database of that name is on the server"),
    ("42501", False, "does not allow its user to do this"),
    ("42P01", False, _NO_TABLE),
    ("42703", False, _NO_TABLE),
    ("53100", True, "cannot grow: its disk is full"),
    ("53300", True, "has no connection left"),
    ("53", True, "has too little memory or disk"),
    ("57P", True, "is stopping or starting"),
)

# A connection that is refused has no code, only a text.
_ITS_ADDRESS = "cannot be connected to: its address"
_NOT_TRUSTED = "has no certificate that is trusted for its host"
_CONNECTING = (
    ("invalid connection option", False, f"{_ITS_ADDRESS} has an option that PostgreSQL lacks"),
    ("connection option", False, f"{_ITS_ADDRESS} gives an option a value that it cannot have"),
    (" value: \"", False, f"{_ITS_ADDRESS} gives an option a value that it cannot have"),
    ("bad value for", False, f"{_ITS_ADDRESS} gives an option a value that it cannot have"),
    ("root certificate file", False, "is to be checked by a root certificate that cannot be read"),
    ("certificate verify failed", False, _NOT_TRUSTED),
    ("server certificate for", False, _NOT_TRUSTED),
    ("does not support SSL", False, "has no TLS, which its address asks for"),
    ("authentication failed", False, "refuses the user or the password"),
    ("no password supplied", False, "wants a password"),
    ("pg_hba.conf", False, "refuses this machine, user or database (pg_hba.conf)"),
    ("cannot be resolved", True, "has a host name that nobody resolves at the moment"),
    ("Connection refused", True, "does not answer: nothing listens at its host and port"),
    ("starting up", True, "is starting"),
    ("shutting down", True, "is stopping"),
    ("too many", True, "has no connection left"),
    ("remaining connection slots", True, "has no connection left"),
    ("database \"", False, "is not there: no database of that name is on the server"),
    ("role \"", False, "refuses the user or the password"),
)  # fmt: skip

Meanings = tuple[tuple[str, bool, str], ...]


def explain(error: DBAPIError | PoolTimeout) -> HistoryUnreachable:
    """Say what an error of SQLAlchemy means."""
    if isinstance(error, PoolTimeout):
        return HistoryUnreachable("The history's database is too slow for what is asked of it.")
    if isinstance(error, DataError | IntegrityError):
        return RowsRefused("The history's database does not take what a row holds.")
    heals, words = _meaning(error.orig)
    kind = HistoryUnreachable if heals else HistoryUnusable
    return kind(f"The history's database {words}.")


def _meaning(error: BaseException | None) -> tuple[bool, str]:
    name = getattr(error, "sqlite_errorname", None)
    if name is not None:
        # SQLite has no code of its own for it.
        no_table = str(error).startswith(("no such table", "no such column", "table "))
        return (False, _NO_TABLE) if no_table else _find(_SQLITE, name, name)
    code = getattr(error, "sqlstate", None)
    if code is not None:
        return _find(_POSTGRESQL, code, code)
    text = str(error)
    for piece, heals, words in _CONNECTING:
        if piece in text:
            return heals, words
    return True, "does not answer"


def _find(meanings: Meanings, code: str, told: str) -> tuple[bool, str]:
    for begin, heals, words in meanings:
        if code.startswith(begin):
            return heals, words
    return True, f"reports an error: {told}"
