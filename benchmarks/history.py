"""Measure the history: what it costs a prediction, how fast it is written, what an outage loses.

python benchmarks/history.py --weights FILE --photos DIR

A server without a history and servers with one in SQLite and PostgreSQL are asked in turn in one
run. PostgreSQL is started here, on a free port; its CPU time is told apart.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from history_faults import measure_kills, measure_outages
from history_servers import (
    CLIENTS,
    OFF,
    POSTGRESQL,
    SQLITE,
    Bench,
    Keeping,
    Measured,
    count_rows,
    read_metric,
    run_once,
    run_postgresql,
    wait_for,
)
from materials import Extent, Materials, describe
from probe import percentile
from topfive.history.database import Database, open_database
from topfive.history.ids import make_id, time_of
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.history.writer import Writer, WriterOptions
from topfive.history.writing import write_records
from topfive.predictions import CacheStatus, ClassScore, Timings
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS

ROWS = 50_000
BATCHES = (50, 500)
NAMES = tuple(f"class {number}" for number in range(1000))
MODEL = RecordedModel("mobilenet_v2", "imagenet1k-v2", "ab" * 32, NAMES)


def measure_cost(bench: Bench) -> Iterator[str]:
    """Ask servers with and without a history in turn, with many clients and with one."""
    kinds = (OFF, SQLITE, POSTGRESQL)
    with ExitStack() as stack:
        servers = {one: stack.enter_context(bench.serving(one, f"cost-{one}")) for one in kinds}
        yield describe(servers[OFF].server)
        for clients in bench.clients:
            found = {kind: Measured() for kind in kinds}
            for number in range(bench.rounds):
                # Each kind is first, second and last as often.
                for kind in (*kinds[number % 3 :], *kinds[: number % 3]):
                    run_once(bench, servers[kind].server, clients, found[kind])
            yield from report_cost(clients, found)
        for kind in (SQLITE, POSTGRESQL):
            yield f"{kind}: {describe_kept(servers[kind])}"


def describe_kept(keeping: Keeping) -> str:
    """Compare what was answered with what is kept."""
    answered = int(read_metric(keeping.server, "topfive_predictions_total"))
    wait_for(lambda: read_metric(keeping.server, "topfive_history_queue") == 0)
    dropped = int(read_metric(keeping.server, "topfive_history_dropped_total"))
    return f"{answered} answered, {keeping.count()} kept, {dropped} dropped"


def report_cost(clients: int, found: Mapping[str, Measured]) -> Iterator[str]:
    """Write medians of the rounds, and how they compare with those without a history."""
    yield ""
    yield f"{clients} clients, {len(found[OFF].rates_per_s)} rounds:"
    yield ""
    yield (
        "| history | pictures/s | of off | server CPU, ms | of off | database CPU, ms | p50, ms "
        "| p99, ms |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    off = found[OFF]
    for kind, one in found.items():
        rate, cpu = statistics.median(one.rates_per_s), statistics.median(one.cpu_ms)
        rates = median_ratio(one.rates_per_s, off.rates_per_s)
        cpus = median_ratio(one.cpu_ms, off.cpu_ms)
        yield (
            f"| {kind} | {rate:.0f} | {rates:.3f} | {cpu:.2f} | {cpus:.3f} "
            f"| {statistics.median(one.database_cpu_ms):.2f} "
            f"| {percentile(one.latencies_ms, 50):.1f} | {percentile(one.latencies_ms, 99):.1f} |"
        )


def median_ratio(values: Sequence[float], of: Sequence[float]) -> float:
    """Compare round by round, since the machine is not the same in each."""
    return statistics.median(one / other for one, other in zip(values, of, strict=True))


def make_record(number: int) -> PredictionRecord:
    """Make a record as predictions make them."""
    made = make_id()
    classes = tuple(ClassScore(one, NAMES[one], 0.6 / (one + 1)) for one in range(5))
    return PredictionRecord(
        made, time_of(made), f"{number:032x}", 0, os.urandom(32), MODEL, "/predict", "", classes,
        Timings(0.05, 1.1, 0.64, 2.02, 3.9), CacheStatus.NONE, False, "",
    )  # fmt: skip


def measure_writer(bench: Bench) -> Iterator[str]:
    """Write many rows by one writer, in batches of two sizes."""
    yield "| database | rows in a batch | rows/s | CPU of the writer, us a row | bytes a row |"
    yield "|---|---|---|---|---|"
    for kind in (SQLITE, POSTGRESQL):
        for rows in BATCHES:
            url = bench.make_url(kind, f"writer-{rows}")
            yield f"| {kind} | {rows} | {write_all(url, rows)} |"


def write_all(url: str, rows: int) -> str:
    """Write until all is kept; tells how fast that was, and what a row takes."""
    records = [make_record(number) for number in range(ROWS)]
    database = open_database(url)
    options = WriterOptions(ROWS, lambda _: 1.0, most_rows=rows, gather_s=0.0, ends_within_s=120)
    writer = Writer(partial(write_records, database), options)
    write_records(database, [make_record(0)])
    size_before = size_of(database, url)
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for one in records:
        writer.note(one)
    writer.close()
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    size = size_of(database, url) - size_before
    database.close()
    kept = count_rows(url)
    if kept != ROWS + 1:
        sys.exit(f"{kept} rows of {ROWS + 1} are kept")
    return f"{ROWS / took_s:.0f} | {cpu_s / ROWS * 1e6:.0f} | {size / ROWS:.0f}"


def size_of(database: Database, url: str) -> int:
    """Tell how many bytes the predictions take, with their indexes."""
    asked = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if url.startswith("sqlite")
        else "SELECT pg_total_relation_size('predictions')"
    )
    with database.reading() as connection:
        return int(connection.exec_driver_sql(asked).scalar() or 0)


MEASURES = {
    "cost": measure_cost,
    "writer": measure_writer,
    "killed": measure_kills,
    "outages": measure_outages,
}


def main() -> None:
    """Print the parts that are asked for, each as soon as it is measured."""
    given = _parse_arguments()
    with TemporaryDirectory() as folder, run_postgresql() as postgresql:
        script = Path(sys.executable).parent / "topfive"
        materials = Materials(script, given.weights, given.photos, Path(), Path(folder), Extent())
        bench = Bench(materials, postgresql, given.clients, given.rounds, given.seconds)
        for part in given.only.split(","):
            print(f"\n## {part}\n", flush=True)
            for line in MEASURES[part](bench):
                print(line, flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[CLIENTS, 1])
    parser.add_argument("--only", default=",".join(MEASURES), help="parts, separated by commas")
    return parser.parse_args()


if __name__ == "__main__":
    main()
