"""What a history loses when a worker is killed, and what an outage of its database costs."""

import os
import signal
import sqlite3
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

from closed_loop import ClosedLoop, LoopLimits
from history_servers import (
    CLIENTS,
    POSTGRESQL,
    SQLITE,
    UNLIMITED,
    Bench,
    Keeping,
    Measured,
    PostgresqlServer,
    read_metric,
    run_once,
    wait_for,
)
from probe import percentile
from process_tree import list_children

KILLS = 5


def measure_kills(bench: Bench) -> Iterator[str]:
    """Kill a worker under load again and again, and count what was answered and is not kept."""
    yield "| database | pictures/s | missing after each kill -9 of one of two workers |"
    yield "|---|---|---|"
    for kind in (SQLITE, POSTGRESQL):
        with bench.serving(kind, f"killed-{kind}") as keeping:
            found = [kill_one(bench, keeping) for _ in range(KILLS)]
        rates = statistics.median(rate for rate, _ in found)
        yield f"| {kind} | {rates:.0f} | {', '.join(str(missing) for _, missing in found)} |"


def kill_one(bench: Bench, keeping: Keeping) -> tuple[float, int]:
    """Send pictures, kill a worker meanwhile; returns the rate and how many are missing."""
    server = keeping.server
    wait_for(lambda: read_metric(server, "topfive_history_queue") == 0)
    before = keeping.count()
    limits = LoopLimits(CLIENTS, UNLIMITED, bench.seconds)
    loop = ClosedLoop(server.address, bench.materials.requests(server.address), limits)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(loop.run)
        time.sleep(bench.seconds / 2)
        os.kill(list_children(server.process.pid)[0], signal.SIGKILL)
        result = running.result()
    wait_for(lambda: len(list_children(server.process.pid)) == 2)
    wait_for(lambda: read_metric(server, "topfive_history_queue") == 0)
    return result.throughput_per_s, len(result.latencies_ms) - (keeping.count() - before)


def measure_outages(bench: Bench) -> Iterator[str]:
    """Send pictures while the database is well, while it is not, and when it is back."""
    yield (
        "| database | state | queue | pictures/s before, meanwhile, after | p99, ms | answered "
        "| kept | dropped |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for kind, what, queue in (
        (SQLITE, "locked", 10_000),
        (POSTGRESQL, "stopped", 10_000),
        (POSTGRESQL, "hanging", 10_000),
        (POSTGRESQL, "stopped", 100),
    ):
        settings = {"TOPFIVE_HISTORY_QUEUE": str(queue)}
        with bench.serving(kind, f"{what}-{queue}", **settings) as keeping:
            figures = measure_outage(bench, keeping, away(bench, keeping, what))
            yield f"| {kind} | {what} | {queue} {figures} |"


def away(bench: Bench, keeping: Keeping, what: str) -> AbstractContextManager[None]:
    """Keep a database away during a block."""
    if what == "locked":
        return locked(keeping.url)
    return stopped(bench.postgresql) if what == "stopped" else hanging(bench.postgresql)


def measure_outage(bench: Bench, keeping: Keeping, outage: AbstractContextManager[None]) -> str:
    """Measure one outage; tells rates, p99s, and what is kept of what was answered."""
    found = Measured(), Measured(), Measured()
    server = keeping.server
    run_once(bench, server, CLIENTS, found[0])
    with outage:
        run_once(bench, server, CLIENTS, found[1])
    run_once(bench, server, CLIENTS, found[2])
    wait_for(lambda: read_metric(server, "topfive_history_queue") == 0)
    rates = ", ".join(f"{one.rates_per_s[0]:.0f}" for one in found)
    slowest = ", ".join(f"{percentile(one.latencies_ms, 99):.1f}" for one in found)
    answered = int(read_metric(server, "topfive_predictions_total"))
    dropped = int(read_metric(server, "topfive_history_dropped_total"))
    return f"| {rates} | {slowest} | {answered} | {keeping.count()} | {dropped}"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the one lock for writing of a SQLite file."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.rollback()
    other.close()


@contextmanager
def stopped(server: PostgresqlServer) -> Iterator[None]:
    """Keep PostgreSQL away."""
    server.stop()
    yield
    server.start()


@contextmanager
def hanging(server: PostgresqlServer) -> Iterator[None]:
    """Have PostgreSQL take connections, and answer nothing."""
    server.hang()
    yield
    server.go_on()
