"""Measure an export of many predictions: its time, size and memory, and what predictions notice.

python benchmarks/history_export.py --weights FILE --photos DIR --rows 1000000 --file history.db

The file is made where it is not there yet, which takes a minute or two for a million rows. Ten
clients ask for predictions without an export and beside each, in turn.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from uuid import UUID

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from materials import Extent, Materials, describe
from probe import percentile
from process_tree import PROC, list_children
from server import Server
from topfive.history.database import Database, open_database
from topfive.history.ids import first_id_at
from topfive.history.migration import upgrade
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.history.writing import write_records
from topfive.predictions import CacheStatus, ClassScore, Timings
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = RecordedModel("flowers", "1", "a" * 64, tuple(f"flower {one}" for one in range(1000)))
ROWS_AT_ONCE = 5000
CLIENTS = 10
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Exported:
    """One export as its client saw it, and the memory of the worker that made it."""

    took_s: float
    size_mb: float
    grown_mib: float


def make_records(count: int) -> Iterator[PredictionRecord]:
    """Make predictions, ten a second, of all classes and confidences."""
    record = PredictionRecord(
        id=UUID(int=0), at=BEGIN, request_id="", position=0, picture_sha256=b"", model=MODEL,
        route="/predict", alias="default", classes=(), timings=Timings(0.1, 2.5, 0.6, 4.2, 7.4),
        cache=CacheStatus.NONE, is_degraded=False, key_id="",
    )  # fmt: skip
    for number in range(count):
        at = BEGIN + timedelta(milliseconds=100 * number)
        ids = [(number * 7919 + place) % 1000 for place in range(5)]
        best = 0.2 + number * 31 % 1000 / 1250
        scores = [best, *((1 - best) / 2**place for place in range(2, 6))]
        yield replace(
            record,
            id=UUID(int=first_id_at(at).int + number),
            at=at,
            request_id=f"{number:032x}",
            picture_sha256=number.to_bytes(32),
            classes=tuple(
                ClassScore(one, MODEL.classes[one], score)
                for one, score in zip(ids, scores, strict=True)
            ),
        )


def fill(database: Database, count: int) -> None:
    """Write a history of so many predictions."""
    some: list[PredictionRecord] = []
    for one in make_records(count):
        some.append(one)
        if len(some) == ROWS_AT_ONCE:
            write_records(database, some)
            some.clear()
    write_records(database, some)


def resident_mib(pid: int) -> float:
    """Read how much memory a process has now."""
    pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    return pages * 4096 / 1024**2


def export(server: Server, form: str, count: int) -> Exported:
    """Download the first `count` predictions, and watch what the workers take meanwhile."""
    pids = list_children(server.process.pid)
    before = {pid: resident_mib(pid) for pid in pids}
    is_over = Event()

    def watch() -> float:
        most = 0.0
        while not is_over.wait(LOOK_EVERY_S):
            most = max(most, *(resident_mib(pid) - before[pid] for pid in pids))
        return most

    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch)
        try:
            took_s, size = download(server, form, count)
        finally:
            is_over.set()
        return Exported(took_s, size / 1e6, watched.result())


def download(server: Server, form: str, count: int) -> tuple[float, int]:
    """Have curl download, which takes nothing from what sends predictions: seconds and bytes."""
    until = (BEGIN + timedelta(milliseconds=100 * count)).strftime("%Y-%m-%dT%H:%M:%SZ")
    url = f"{server.url}/predictions/export?format={form}&until={until}"
    told = "%{http_code} %{time_total} %{size_download}"
    command = ["curl", "--silent", "--noproxy", "*", "--output", "/dev/null", "-w", told, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, took_s, size = done.stdout.split()
    if status != "200":
        sys.exit(f"the export was answered with {status}")
    return float(took_s), int(size)


def load(materials: Materials, server: Server, seconds: float) -> LoopResult:
    """Ask for predictions for so long."""
    limits = LoopLimits(CLIENTS, 10**6, seconds)
    return ClosedLoop(server.address, materials.requests(server.address), limits).run()


def beside(
    materials: Materials, server: Server, form: str, count: int
) -> tuple[LoopResult, Exported]:
    """Ask for predictions while an export is under way."""
    with ThreadPoolExecutor(1) as pool:
        limits = LoopLimits(CLIENTS, 10**6, 600)
        loop = ClosedLoop(server.address, materials.requests(server.address), limits)
        asking = pool.submit(loop.run)
        try:
            exported = export(server, form, count)
        finally:
            loop.stop()
        return asking.result(), exported


def write_exports(exports: dict[str, Exported]) -> Iterator[str]:
    """Write what was found of exports as a table."""
    yield "| export | seconds | size, MB | memory of the worker grown by, MiB |"
    yield "|---|---|---|---|"
    for name, one in exports.items():
        yield f"| {name} | {one.took_s:.1f} | {one.size_mb:.0f} | {one.grown_mib:.0f} |"


def write_loads(loads: dict[str, LoopResult]) -> Iterator[str]:
    """Write what was found of predictions as a table."""
    yield "| predictions | pictures/s | p50, ms | p99, ms | failed |"
    yield "|---|---|---|---|---|"
    for name, one in loads.items():
        p50, p99 = (percentile(one.latencies_ms, percent) for percent in (50, 99))
        failed = sum(one.errors.values())
        yield f"| {name} | {one.throughput_per_s:.0f} | {p50:.1f} | {p99:.1f} | {failed} |"


def main() -> None:
    """Make the file where it is not there, start a server over it and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--file", type=Path, default=Path("history.db"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--beside", type=int, default=100_000, help="rows beside predictions")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--fill-only", action="store_true")
    given = parser.parse_args()
    file = given.file.resolve()
    is_new = not file.exists()
    database = open_database(f"sqlite:///{file}")
    upgrade(database)
    if is_new:
        fill(database, given.rows)
    database.close()
    if given.fill_only:
        return
    with TemporaryDirectory() as folder:
        materials = Materials(
            Path(sys.executable).with_name("topfive"), given.weights.resolve(), given.photos,
            given.photos, Path(folder), Extent(),
        )  # fmt: skip
        settings = {
            "TOPFIVE_HISTORY_URL": f"sqlite:///{file}",
            "TOPFIVE_HISTORY_RETENTION_DAYS": "0",
        }
        with materials.serving("export", settings) as server:
            print(describe(server), "\n")
            loads = {"without an export": load(materials, server, given.seconds)}
            exports = {}
            for form in ("csv", "parquet"):
                name = f"{given.beside} rows as {form}, beside predictions"
                loads[f"beside {form}"], exports[name] = beside(
                    materials, server, form, given.beside
                )
            for form in ("csv", "parquet"):
                exports[f"{given.rows} rows as {form}"] = export(server, form, given.rows)
            print(*write_exports(exports), "", *write_loads(loads), sep="\n")


if __name__ == "__main__":
    main()
