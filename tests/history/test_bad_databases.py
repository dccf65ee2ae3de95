"""Databases as they should not be: each has its answer, and nothing is lost that was promised."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from tests.history.records import ANIMALS, PETS, make_record
from tests.postgresql_server import PostgresqlServer
from topfive.errors import HistoryUnavailable, HistoryUnreachable, InvalidParameter
from topfive.history.contract import GivenLabel, HistoryFilter, HistoryQuery
from topfive.history.database import PATIENCE_S, Database, open_database
from topfive.history.failures import HistoryUnusable
from topfive.history.healing import write_healing
from topfive.history.kept import KeptHistory
from topfive.history.migration import make_ready, upgrade
from topfive.history.records import LabelSource, PredictionRecord
from topfive.history.writing import write_records

RECORDS = [make_record(number) for number in range(6)]
SQL = "'; DROP TABLE predictions; DELETE FROM models WHERE \"1\"='1' --"
NOBODY = 65534


def path_of(url: str) -> Path:
    """Tell where a SQLite file is."""
    return Path(url.removeprefix("sqlite:///"))


def count_kept(database: Database) -> int:
    """Count what is kept."""
    return len(list(KeptHistory(database).stream(HistoryQuery())))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a SQLite file with one prediction."""
    url = f"sqlite:///{tmp_path}/history.db"
    with closing(open_database(url)) as database:
        make_ready(database)
        write_records(database, RECORDS[:1])
    return url


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """A SQLite file with one prediction."""
    with closing(open_database(sqlite_url)) as database:
        yield database


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Have another program hold the table for itself."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(path_of(url), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    else:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE predictions")
            yield


@contextmanager
def unable_to_write(url: str, server: PostgresqlServer | None) -> Iterator[None]:
    """Make a database read-only, as its owner would."""
    if server is not None:
        name = url.rpartition("/")[2]
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        yield
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        return
    path = path_of(url)
    path.chmod(0o444)
    # Root may write to everything.
    is_root = os.geteuid() == 0
    if is_root:
        for folder in (path.parent, *path.parent.parents[:3]):
            folder.chmod(0o777)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        path.chmod(0o644)


def test_a_locked_database_is_told_and_nothing_is_lost(
    database: Database, history_url: str
) -> None:
    """While another program has it, writing fails in time; afterwards the same batch is kept."""
    with locked(history_url), pytest.raises(HistoryUnreachable, match=r"locked|too long"):
        write_records(database, RECORDS, patience_s=0.3)
    assert write_records(database, RECORDS) == len(RECORDS)
    assert count_kept(database) == len(RECORDS)


def test_a_read_only_database_is_read(history_url: str, request: pytest.FixtureRequest) -> None:
    """What is kept can be looked at; what cannot be written is told as a thing to mend."""
    is_file = history_url.startswith("sqlite")
    server = None if is_file else request.getfixturevalue("postgresql")
    with closing(open_database(history_url)) as database:
        write_records(database, RECORDS[:1])
    with (
        unable_to_write(history_url, server),
        closing(open_database(history_url)) as database,
    ):
        with pytest.raises(HistoryUnusable, match="read-only"):
            write_healing(database, RECORDS)
        assert count_kept(database) == 1
        with pytest.raises(HistoryUnavailable):
            KeptHistory(database).delete(RECORDS[0].id)
    with closing(open_database(history_url)) as database:
        assert write_healing(database, RECORDS) == len(RECORDS)


def test_a_full_file_is_told_and_nothing_is_lost(sqlite: Database) -> None:
    """A file that cannot grow keeps what it has; with room again the same batch is kept."""
    many = [make_record(number) for number in range(500)]
    with sqlite.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 20")
    with pytest.raises(HistoryUnreachable, match="its disk is full"):
        write_records(sqlite, many)
    assert count_kept(sqlite) == 1
    with sqlite.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert write_records(sqlite, many) == len(many)
    assert count_kept(sqlite) == len(many)


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 3 MiB for PostgreSQL's user, where that user may go."""
    folder = Path(mkdtemp(prefix="topfive-small-"))
    folder.chmod(0o755)
    options = "size=3m,uid=postgres,gid=postgres,mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    try:
        if mounted.returncode:
            pytest.skip("a file system can be mounted by root alone")
        yield folder
        subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


@pytest.fixture
def small_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """The address of a PostgreSQL database whose predictions have 3 MiB of room."""
    with small_disk() as folder:
        postgresql.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        url = postgresql.make_database()
        with closing(open_database(url)) as database:
            upgrade(database)
        postgresql.execute("ALTER TABLE predictions SET TABLESPACE small", url)
        yield url
        postgresql.execute(f"DROP DATABASE {url.rpartition('/')[2]}")
        postgresql.execute("DROP TABLESPACE small")


def write_until_full(database: Database, records: Sequence[PredictionRecord]) -> int:
    """Write batches until there is no room; returns how many predictions were written."""
    written: list[int] = []

    def write_all() -> None:
        for begin in range(0, len(records), 500):
            written.append(write_records(database, records[begin : begin + 500]))

    with pytest.raises(HistoryUnreachable, match="its disk is full"):
        write_all()
    return sum(written)


def test_a_full_server_is_told_and_nothing_is_lost(
    postgresql: PostgresqlServer, small_url: str
) -> None:
    """PostgreSQL without room keeps what it has; with room again the same batch is kept."""
    many = [make_record(number) for number in range(20_000)]
    with closing(open_database(small_url)) as database:
        kept = write_until_full(database, many)
        assert count_kept(database) == kept > 0
        postgresql.execute("ALTER TABLE predictions SET TABLESPACE pg_default", small_url)
        assert write_records(database, many[kept : kept + 500]) == 500
        assert count_kept(database) == kept + 500


def test_a_server_that_went_away_is_used_again(postgresql: PostgresqlServer) -> None:
    """While it is stopped each call says so; once it is back the next one is answered."""
    url = postgresql.make_database()
    with closing(open_database(url)) as database:
        upgrade(database)
        write_records(database, RECORDS[:3])
        postgresql.stop()
        try:
            with pytest.raises(HistoryUnreachable):
                write_records(database, RECORDS)
            with pytest.raises(HistoryUnavailable):
                KeptHistory(database).find(RECORDS[0].id)
        finally:
            postgresql.start()
        assert write_records(database, RECORDS) == len(RECORDS)
        assert count_kept(database) == len(RECORDS)


def test_a_server_that_hangs_is_given_up(postgresql: PostgresqlServer) -> None:
    """One that takes what is sent and answers nothing ends the call; afterwards all goes on."""
    url = postgresql.make_database()
    with closing(open_database(url)) as database:
        upgrade(database)
        write_records(database, RECORDS[:3])
        postgresql.hang()
        try:
            with pytest.raises(HistoryUnreachable):
                write_records(database, RECORDS, patience_s=0.5)
        finally:
            postgresql.go_on()
        assert write_records(database, RECORDS) == len(RECORDS)


def test_a_deleted_file_is_made_anew(sqlite: Database, sqlite_url: str) -> None:
    """What is predicted afterwards does not go into a file that nobody can find."""
    path_of(sqlite_url).unlink()
    with pytest.raises(HistoryUnavailable):
        KeptHistory(sqlite).list(HistoryQuery())
    assert not path_of(sqlite_url).exists()
    assert write_healing(sqlite, RECORDS[1:]) == len(RECORDS) - 1
    assert path_of(sqlite_url).stat().st_mode & 0o777 == 0o600
    assert count_kept(sqlite) == len(RECORDS) - 1


def test_a_file_that_was_put_back_is_used(
    sqlite: Database, sqlite_url: str, tmp_path: Path
) -> None:
    """A backup in the file's place is read and written at once."""
    with closing(sqlite3.connect(path_of(sqlite_url))) as other:
        other.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    write_records(sqlite, RECORDS)
    for end in ("-wal", "-shm"):
        Path(f"{path_of(sqlite_url)}{end}").unlink(missing_ok=True)
    (tmp_path / "copy.db").rename(path_of(sqlite_url))
    assert count_kept(sqlite) == 1
    assert write_records(sqlite, RECORDS[:2]) == 2
    assert count_kept(sqlite) == 2


def test_a_damaged_file_is_told(sqlite: Database, sqlite_url: str) -> None:
    """With what to do about it; it is not made anew over what may still be saved."""
    sqlite.close()
    data = bytearray(path_of(sqlite_url).read_bytes())
    data[100:20_000] = b"\xff" * 19_900
    path_of(sqlite_url).write_bytes(data)
    with pytest.raises(HistoryUnreachable, match=r"damaged|not a SQLite"):
        write_healing(sqlite, RECORDS)
    assert path_of(sqlite_url).read_bytes()[100:200] == b"\xff" * 100


def test_a_schema_that_is_brought_down_meanwhile(empty_database: Database) -> None:
    """A step down predictions are still kept, and told again after the step up."""
    upgrade(empty_database, "0001")
    assert write_healing(empty_database, RECORDS) == len(RECORDS)
    with pytest.raises(HistoryUnavailable):
        KeptHistory(empty_database).list(HistoryQuery())
    upgrade(empty_database)
    assert count_kept(empty_database) == len(RECORDS)


def test_tables_that_are_gone(empty_database: Database) -> None:
    """A server's owner is told the command that brings them; a file gets them by itself."""
    if empty_database.is_sqlite:
        assert write_healing(empty_database, RECORDS) == len(RECORDS)
    else:
        with pytest.raises(HistoryUnusable, match="topfive db upgrade"):
            write_healing(empty_database, RECORDS)


def test_sql_in_every_field_is_text(database: Database) -> None:
    """What a caller names is kept and found as it was named, and is never run."""
    history = KeptHistory(database)
    model = replace(PETS, name=SQL[:60], version=SQL[:60], digest=SQL[:60])
    names = (SQL, *ANIMALS[1:])
    odd = make_record(
        9,
        model=replace(model, classes=names),
        request_id=SQL,
        route=SQL,
        alias=SQL,
        key_id=SQL[:16],
        picture_sha256=SQL.encode()[:32],
    )
    write_records(database, [*RECORDS, odd])
    for only in (
        HistoryFilter(model=model.name),
        HistoryFilter(version=model.version),
        HistoryFilter(class_name=SQL),
        HistoryFilter(request_id=SQL),
        HistoryFilter(picture_sha256=SQL.encode()[:32]),
        HistoryFilter(model=model.name, version=model.version, class_name=SQL, request_id=SQL),
    ):
        (found,) = history.list(HistoryQuery(only)).predictions
        assert found.record.id == odd.id
    assert history.find(odd.id).record.request_id == SQL
    labelled = history.set_label(odd.id, GivenLabel(LabelSource.PERSON, class_name=SQL))
    assert labelled.label is not None
    assert labelled.label.class_name == SQL
    with pytest.raises(InvalidParameter):
        history.set_label(RECORDS[0].id, GivenLabel(LabelSource.PERSON, class_name=SQL))
    assert history.list(HistoryQuery(HistoryFilter(model=SQL))).predictions == ()
    assert count_kept(database) == len(RECORDS) + 1


def test_making_a_connection_is_a_part_of_the_patience(tmp_path: Path) -> None:
    """A file whose lock keeps a new connection waiting does not make a caller wait for longer."""
    database = open_database(f"sqlite:///{tmp_path}/history.db")
    upgrade(database)
    database.close()
    fresh_database = open_database(f"sqlite:///{tmp_path}/history.db")
    with closing(fresh_database.engine.raw_connection()) as fresh:
        waits_ms = fresh.cursor().execute("PRAGMA busy_timeout").fetchone()[0]
    fresh_database.close()
    assert waits_ms / 1000 < PATIENCE_S / 2
