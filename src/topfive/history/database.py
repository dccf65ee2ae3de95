"""The history's database: opened when it is first used, by each process for itself."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from topfive.errors import HistoryRefused
from topfive.history import postgresql, sqlite
from topfive.history.address import check_history_url
from topfive.history.failures import explain

# A caller is told within five seconds that the database does not answer.
PATIENCE_S = 4.5

# Of a process: the writer, two callers, and what looks in the background.
_CONNECTIONS = 5
_WAIT_FOR_CONNECTION_S = 1.0

_KINDS = {"sqlite": sqlite, "postgresql": postgresql}


class Database:
    """Gives transactions; safe to use from many threads, not to carry over a fork.

    Within them errors of the database are HistoryUnreachable, in words and without the address;
    HistoryUnusable where waiting does not help.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kind = _KINDS[engine.dialect.name]

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self._kind is sqlite

    @property
    def is_missing(self) -> bool:
        """Whether it is a file that is not there."""
        return self.is_sqlite and not self._path.exists()

    def make_file(self) -> None:
        """Make the file of SQLite where it is not there, for its owner alone.

        It says who asked for what, and when. Raises HistoryRefused where that cannot be done.
        """
        if not self.is_sqlite:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise HistoryRefused(
                f"The history's file {self._path} cannot be made: {error.strerror}. Its directory "
                "must belong to the service's user."
            ) from error

    @contextmanager
    def reading(self, patience_s: float = PATIENCE_S) -> Iterator[Connection]:
        """Read, seeing one state of the database; raises HistoryUnreachable."""
        with self._transaction(patience_s, is_writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self, patience_s: float = PATIENCE_S) -> Iterator[Connection]:
        """Write, all or nothing: it is committed at the end; raises HistoryUnreachable."""
        with self._transaction(patience_s, is_writing=True) as connection:
            yield connection

    def close(self) -> None:
        """Close what is open; what is in use is closed when it is given back."""
        self.engine.dispose()

    @property
    def _path(self) -> Path:
        return Path(self.engine.url.database or "")

    @contextmanager
    def _transaction(self, patience_s: float, *, is_writing: bool) -> Iterator[Connection]:
        try:
            with ExitStack() as open_until_end:
                connection = self._begin(open_until_end, patience_s, is_writing=is_writing)
                yield connection
                connection.commit()
        except (DBAPIError, PoolTimeout) as error:
            # Its own text may name the host, the user and what a row holds.
            raise explain(error) from None

    def _begin(self, stack: ExitStack, patience_s: float, *, is_writing: bool) -> Connection:
        """Begin a transaction; where a kept connection has died meanwhile, on a new one."""
        until_s = monotonic() + patience_s
        try:
            return self._begin_once(stack, until_s, is_writing=is_writing)
        except DBAPIError as error:
            if not error.connection_invalidated or monotonic() > until_s - patience_s / 2:
                raise
        return self._begin_once(stack, until_s, is_writing=is_writing)

    def _begin_once(self, stack: ExitStack, until_s: float, *, is_writing: bool) -> Connection:
        with ExitStack() as opened:
            connection = opened.enter_context(self.engine.connect())
            connection.execution_options(is_writing=is_writing)
            opened.enter_context(self._kind.limit_time(connection, until_s - monotonic()))
            if not connection.in_transaction():
                connection.begin()
            stack.push(opened.pop_all())
        return connection


def open_database(url: str) -> Database:
    """Open the database of an address; nothing is connected yet.

    Raises ValueError for an address that `check_history_url` refuses, and HistoryRefused where the
    database's driver cannot be used.
    """
    check_history_url(url)
    try:
        parsed = make_url(url)
        kind = _KINDS[parsed.get_backend_name()]
        engine = kind.make_engine(parsed, connections=_CONNECTIONS, wait_s=_WAIT_FOR_CONNECTION_S)
    except ArgumentError:
        raise HistoryRefused("TOPFIVE_HISTORY_URL is no address of a database.") from None
    except ImportError as error:
        raise HistoryRefused(f"The history's database has no driver here: {error}.") from error
    return Database(engine)
