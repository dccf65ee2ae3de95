"""A real PostgreSQL on a free port of this machine, for the tests that need one."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.redis_server import free_port

_WITHIN_S = 60
_SETTINGS = ("listen_addresses=127.0.0.1", "max_connections=40", "shared_buffers=32MB")
_USER = "topfive"
_PASSWORD = "a:word/with@signs"
_QUOTED = "a%3Aword%2Fwith%40signs"


class PostgresqlServer:
    """A server that listens on 127.0.0.1 alone; its databases end with it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._folder = folder
        self._names = (f"history_{number}" for number in count(1))

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        return int((self._folder / "data/postmaster.pid").read_text().split()[0])

    def url(self, database: str = "postgres") -> str:
        """The address of a database, with the password."""
        return f"postgresql://{_USER}:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """Make an empty database; returns its address."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, url: str | None = None) -> None:
        """Run one statement, outside of a transaction."""
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self._folder} " + " ".join(f"-c {one}" for one in _SETTINGS)
        self._control("start", "-w", "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it at once; who is connected loses the connection."""
        self.go_on()
        self._control("stop", "-w", "-m", "fast")

    def hang(self) -> None:
        """Let it take connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def _control(self, *arguments: str) -> None:
        # It becomes nobody's child, so that a test may start it again.
        command = [self._programs / "pg_ctl", "-D", self._folder / "data", *arguments]
        subprocess.run(
            [*_as_another_user(), *map(str, command)],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            timeout=_WITHIN_S,
        )

    def _signal(self, which: signal.Signals) -> None:
        parent = self.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, which)


@contextmanager
def run_postgresql() -> Iterator[PostgresqlServer]:
    """Run PostgreSQL until the block ends; skips the test where it is not installed."""
    programs = _find_programs()
    folder = Path(tempfile.mkdtemp(prefix="topfive-postgresql-"))
    try:
        server = PostgresqlServer(programs, folder)
        _make_data(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _make_data(programs: Path, folder: Path) -> None:
    """Make the data directory, whose one user must give a password."""
    word = folder / "password"
    word.write_text(_PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, word):
            shutil.chown(path, "postgres", "postgres")
    options = ("-D", folder / "data", "-U", _USER, "--pwfile", word, "-A", "scram-sha-256")
    subprocess.run(
        [
            *_as_another_user(),
            *map(str, (programs / "initdb", *options, "-E", "UTF8", "--no-sync")),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )


def _find_programs() -> Path:
    """Find PostgreSQL's programs: in PATH, or where Debian has them."""
    found = [*map(Path.resolve, Path("/usr/lib/postgresql").glob("*/bin/postgres"))]
    in_path = shutil.which("postgres")
    if in_path is None and not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return (Path(in_path) if in_path else max(found)).parent


def _as_another_user() -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package has a user for it."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
