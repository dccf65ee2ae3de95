"""Copies are made and put back by the commands of docs/HISTORY.md, and by those of Kubernetes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.history.records import NEWER_PETS, make_record
from tests.postgresql_server import PostgresqlServer
from topfive.errors import HistoryUnreachable
from topfive.history.contract import GivenLabel, HistoryQuery
from topfive.history.database import Database, open_database
from topfive.history.kept import KeptHistory
from topfive.history.migration import check_schema, upgrade
from topfive.history.records import KeptPrediction, LabelSource, PredictionRecord
from topfive.history.writing import write_records

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "HISTORY.md").read_text()
KUBERNETES = ROOT / "deploy" / "k8s" / "components" / "postgres-backup"
RECORDS = [make_record(number, best=number % 8, confidence=0.1) for number in range(1200)]
LATER = [make_record(number, model=NEWER_PETS) for number in range(5000, 5700)]


def fill(url: str) -> Database:
    """Open a database with 1,200 predictions, of which one has a label."""
    database = open_database(url)
    upgrade(database)
    write_records(database, RECORDS)
    KeptHistory(database).set_label(RECORDS[7].id, GivenLabel(LabelSource.PERSON, class_id=3))
    return database


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A file of SQLite with predictions."""
    database = fill(f"sqlite:///{tmp_path}/history.db")
    yield database
    database.close()


@pytest.fixture
def url(postgresql: PostgresqlServer) -> str:
    """The address of a database of PostgreSQL in which there is nothing yet."""
    return postgresql.make_database()


@pytest.fixture
def server(url: str) -> Iterator[Database]:
    """The same with predictions."""
    database = fill(url)
    yield database
    database.close()


def everything(database: Database) -> list[KeptPrediction]:
    """All that a database keeps, newest first."""
    return list(KeptHistory(database).stream(HistoryQuery()))


def everything_in(url: str) -> list[KeptPrediction]:
    """The same of the database of an address, whose schema must be this version's."""
    database = open_database(url)
    check_schema(database)
    kept = everything(database)
    database.close()
    return kept


def line_of_guide(begin: str) -> str:
    """Find the one line of the guide that begins like this."""
    (found,) = re.findall(rf"^{re.escape(begin)}.*$", GUIDE, re.MULTILINE)
    return found


def shell(line: str, **variables: str) -> None:
    """Run what a person types; it must say nothing but on standard output."""
    done = subprocess.run(
        ["sh", "-euc", line],
        env=os.environ | variables,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def copy_file(folder: Path) -> Path:
    """Copy history.db of a folder as the guide says; returns the copy."""
    if shutil.which("sqlite3") is None:
        pytest.skip("sqlite3 is not installed: apt-get install sqlite3")
    copy = folder / "copy.db"
    line = line_of_guide("sqlite3 ").replace("/var/lib/topfive", str(folder))
    shell(line.replace("/var/backups/history.db", str(copy)))
    return copy


@contextmanager
def writing_meanwhile(database: Database, records: list[PredictionRecord]) -> Iterator[None]:
    """Write one prediction after the other until the block ends, and then the rest at once."""
    is_over = Event()
    waiting = list(records)

    def write() -> None:
        while waiting and not is_over.is_set():
            # As the service's writer does, it tries again.
            with suppress(HistoryUnreachable):
                write_records(database, [waiting[0]], patience_s=60)
                waiting.pop(0)

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        write_records(database, waiting)


def test_a_file_is_copied_while_it_is_written(file: Database, tmp_path: Path) -> None:
    """The copy has all that was there before, and can be used as it is."""
    before = everything(file)
    with writing_meanwhile(file, LATER):
        copy = copy_file(tmp_path)
    assert everything_in(f"sqlite:///{copy}")[-len(before) :] == before


def test_python_copies_a_file_where_there_is_no_sqlite3(file: Database, tmp_path: Path) -> None:
    """The program that the guide runs in a container makes the same copy."""
    (program,) = re.findall(r'python -c "(import sqlite3.*?)"$', GUIDE, re.DOTALL | re.MULTILINE)
    shell(f'python3 -c "{program}"'.replace("/history/", f"{tmp_path}/"))
    assert everything_in(f"sqlite:///{tmp_path}/copy.db") == everything(file)


def test_a_copy_of_a_file_is_put_back(file: Database, tmp_path: Path) -> None:
    """What came after it is gone, and all that was there before is there, with its label."""
    before = everything(file)
    copy = copy_file(tmp_path)
    write_records(file, LATER)
    # As a killed service leaves them.
    (tmp_path / "left").write_bytes((tmp_path / "history.db-wal").read_bytes())
    file.close()
    (tmp_path / "left").rename(tmp_path / "history.db-wal")
    for word in ("rm", "install"):
        line = line_of_guide(f"sudo {word} ").removeprefix("sudo ")
        line = line.replace(" -o topfive -g topfive", "").replace("/var/lib/topfive", str(tmp_path))
        shell(line.replace("/var/backups/history.db", str(copy)))
    assert everything_in(f"sqlite:///{tmp_path}/history.db") == before
    assert (tmp_path / "history.db").stat().st_mode & 0o777 == 0o600


def test_a_copy_of_postgresql_is_put_back_while_it_is_written(
    server: Database, url: str, tmp_path: Path
) -> None:
    """What was there is there again with its label; what is predicted meanwhile is not lost."""
    before = everything(server)
    in_folder = f"cd {tmp_path}; "
    shell(in_folder + line_of_guide("pg_dump "), TOPFIVE_HISTORY_URL=url)
    KeptHistory(server).delete(RECORDS[0].id)
    with writing_meanwhile(server, LATER):
        shell(in_folder + line_of_guide("pg_restore "), TOPFIVE_HISTORY_URL=url)
    found = everything_in(url)
    assert found[-len(before) :] == before
    # Those that had been written when the tables were replaced went with them.
    kept = [one.record for one in reversed(found[: -len(before)])]
    assert kept == LATER[len(LATER) - len(kept) :]
    assert {one.model for one in kept} == {NEWER_PETS}


def test_a_copy_is_put_back_where_there_is_nothing(
    server: Database, url: str, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """A new server needs no tables beforehand."""
    elsewhere = postgresql.make_database()
    in_folder = f"cd {tmp_path}; "
    shell(in_folder + line_of_guide("pg_dump "), TOPFIVE_HISTORY_URL=url)
    shell(in_folder + line_of_guide("pg_restore "), TOPFIVE_HISTORY_URL=elsewhere)
    assert everything_in(elsewhere) == everything(server)


def test_kubernetes_copies_and_puts_back(server: Database, url: str, tmp_path: Path) -> None:
    """The commands of the nightly backup and of restore.yaml do the same; old copies go."""
    parts = urlsplit(url)
    where = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path[1:],
    }
    old, recent = tmp_path / "history-old.dump", tmp_path / "history-recent.dump"
    for path, days in ((old, 16), (recent, 3)):
        path.touch()
        shell(f"touch -d '{days} days ago' {path}")
    cron = yaml.safe_load((KUBERNETES / "cronjob.yaml").read_text())["spec"]["jobTemplate"]
    before = everything(server)
    shell(script_of(cron, tmp_path), **where)
    (copy,) = set(tmp_path.iterdir()) - {recent}
    KeptHistory(server).delete(RECORDS[0].id)
    restore = yaml.safe_load((KUBERNETES / "restore.yaml").read_text())
    line = script_of(restore, tmp_path).replace("--dbname=topfive", "--dbname=$PGDATABASE")
    shell(line, **where, COPY=copy.name)
    assert everything_in(url) == before


def script_of(job: Any, folder: Path) -> str:
    """Give what a Job's container runs, with another folder for its volume."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-euc"]
    (script,) = container["args"]
    return script.replace("/backups", str(folder))
