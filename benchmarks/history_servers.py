"""Servers that keep a history and one that does not, and what a load costs each."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from closed_loop import ClosedLoop, LoopLimits
from materials import Materials
from process_tree import read_tree, total_cpu_ms
from server import Server
from uploads import REPOSITORY, ask

sys.path.insert(0, str(REPOSITORY))

from tests.postgresql_server import PostgresqlServer, run_postgresql

from topfive.history.database import open_database
from topfive.history.migration import upgrade

__all__ = [
    "CLIENTS",
    "OFF",
    "POSTGRESQL",
    "SQLITE",
    "UNLIMITED",
    "Bench",
    "Keeping",
    "Measured",
    "PostgresqlServer",
    "count_rows",
    "read_metric",
    "run_once",
    "run_postgresql",
    "wait_for",
]

CLIENTS = 10
UNLIMITED = 10**6
OFF, SQLITE, POSTGRESQL = "off", "SQLite", "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Bench:
    """The materials, a PostgreSQL that runs, and how long and how often is measured."""

    materials: Materials
    postgresql: PostgresqlServer
    clients: Sequence[int]
    rounds: int
    seconds: float

    def make_url(self, kind: str, name: str) -> str:
        """Make an empty database with the newest schema; returns its address, empty for none."""
        if kind == OFF:
            return ""
        file = self.materials.folder / f"{name}.db"
        url = f"sqlite:///{file}" if kind == SQLITE else self.postgresql.make_database()
        database = open_database(url)
        upgrade(database)
        database.close()
        return url

    @contextmanager
    def serving(self, kind: str, name: str, **settings: str) -> Iterator["Keeping"]:
        """Run a server with a history of its own, or without one."""
        url = self.make_url(kind, name)
        given = {"TOPFIVE_HISTORY_URL": url} if url else {}
        with self.materials.serving(name, given | settings) as server:
            yield Keeping(server, url)


@dataclass(frozen=True, slots=True)
class Keeping:
    """A server, and the address of the history that it keeps."""

    server: Server
    url: str

    def count(self) -> int:
        """Count what is kept."""
        return count_rows(self.url)


def count_rows(url: str) -> int:
    """Count the predictions that a database has."""
    database = open_database(url)
    try:
        with database.reading() as connection:
            found = connection.exec_driver_sql("SELECT count(*) FROM predictions").scalar()
            return int(found or 0)
    finally:
        database.close()


def read_metric(server: Server, name: str) -> float:
    """Add up the samples of the metrics whose lines begin so."""
    lines = ask(server.address, "/metrics")[1].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@dataclass(slots=True)
class Measured:
    """The rounds of one server: pictures a second, CPU for one, latencies."""

    rates_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    database_cpu_ms: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


def run_once(bench: Bench, server: Server, clients: int, into: Measured) -> None:
    """Ask for some seconds, and note what it cost the server and the database."""
    before = read_cpu_ms(bench, server)
    limits = LoopLimits(clients, UNLIMITED, bench.seconds)
    result = ClosedLoop(server.address, bench.materials.requests(server.address), limits).run()
    used = [now - was for now, was in zip(read_cpu_ms(bench, server), before, strict=True)]
    if result.errors:
        sys.exit(f"not every picture was classified: {dict(result.errors)}")
    into.rates_per_s.append(result.throughput_per_s)
    into.cpu_ms.append(used[0] / len(result.latencies_ms))
    into.database_cpu_ms.append(used[1] / len(result.latencies_ms))
    into.latencies_ms += result.latencies_ms


def read_cpu_ms(bench: Bench, server: Server) -> tuple[float, float]:
    """Read the CPU time of a server and, unless it is stopped, of PostgreSQL."""
    try:
        database = read_tree(bench.postgresql.pid)
    except FileNotFoundError:
        database = {}
    return total_cpu_ms(read_tree(server.process.pid)), total_cpu_ms(database)


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds; ends the run after half a minute."""
    end_s = time.monotonic() + 30
    while not holds():
        if time.monotonic() > end_s:
            sys.exit("it takes too long")
        time.sleep(0.05)
