"""Measure batches against single pictures: speed, memory, and what singles notice of a batch.

python benchmarks/batch.py --weights FILE --photos DIR

All is asked of one server, in turn in one run: a ratio is that of two figures next to each other.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from batches import LINES, WHOLE, Batch, BatchResult, Sending, build_batch, send_batch
from closed_loop import ClosedLoop, LoopLimits, LoopResult
from materials import Extent, Materials, describe
from probe import percentile
from process_tree import list_children, read_tree, total_cpu_ms
from server import Server
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, list_photos

MOST_PICTURES = 1000
CLIENTS = 10
UNLIMITED = 10**6
# The first moments of a batch beside singles do not count: it is only arriving then.
SETTLE_S = 1.0
LOOK_EVERY_S = 0.01
MIB = 1024**2
SETTINGS = {
    "TOPFIVE_BATCH_MAX_PICTURES": str(MOST_PICTURES),
    "TOPFIVE_BATCH_MAX_BYTES": str(1024 * MIB),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """The same photos as they are sent: alone, and in batches."""

    singles: list[bytes]
    photos: list[bytes]

    def batch(self, count: int, accept: str = LINES) -> Batch:
        """Build a batch of so many."""
        return build_batch(self.photos, count, accept)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one way got in one turn: right answers, and the server's CPU for each."""

    per_s: float
    cpu_ms: float


def ask_singles(server: Server, pictures: Pictures, clients: int, seconds: float) -> LoopResult:
    """Send one picture a request from so many clients that keep their connections."""
    limits = LoopLimits(clients, UNLIMITED, seconds)
    return ClosedLoop(server.address, pictures.singles, limits).run()


def singles(clients: int, server: Server, pictures: Pictures, seconds: float) -> int:
    """Send singles; returns how many were right."""
    found = ask_singles(server, pictures, clients, seconds)
    if found.errors:
        sys.exit(f"{clients} clients: {dict(found.errors)}")
    return len(found.latencies_ms)


def batches(
    count: int, clients: int, accept: str, server: Server, pictures: Pictures, seconds: float
) -> int:
    """Send batches of `count`, one after the other from each client; returns what was right."""
    batch, ends_s = pictures.batch(count, accept), time.perf_counter() + seconds
    with ThreadPoolExecutor(clients) as pool:
        results = pool.map(
            lambda _: list(_one_after_the_other(server, batch, ends_s)), range(clients)
        )
        found = [one for some in results for one in some]
    failed = [dict(one.failed) for one in found if one.failed]
    if failed:
        sys.exit(f"a batch of {count}: {failed}")
    return sum(one.right for one in found)


def _one_after_the_other(server: Server, batch: Batch, ends_s: float) -> Iterator[BatchResult]:
    while time.perf_counter() < ends_s:
        yield send_batch(server.address, batch)


WAYS: dict[str, Callable[[Server, Pictures, float], int]] = {
    "singles, 10 clients": partial(singles, CLIENTS),
    "singles, 1 client": partial(singles, 1),
    "batches of 64, lines": partial(batches, 64, 1, LINES),
    "batches of 64, one JSON answer": partial(batches, 64, 1, WHOLE),
    "batches of 64, lines, 2 clients": partial(batches, 64, 2, LINES),
    "batches of 1,000, lines": partial(batches, 1000, 1, LINES),
}


def measure_speed(
    server: Server, pictures: Pictures, rounds: int, seconds: float
) -> dict[str, list[Turn]]:
    """Ask all ways in turn, round by round."""
    turns: dict[str, list[Turn]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, ask in WAYS.items():
            before_ms, began_s = total_cpu_ms(read_tree(server.process.pid)), time.perf_counter()
            right = ask(server, pictures, seconds)
            took_s = time.perf_counter() - began_s
            cpu_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
            turns[way].append(Turn(right / took_s, cpu_ms / right))
    return turns


@dataclass
class Memory:
    """The memory of all workers that is no file's, in MiB: the most of it during a block."""

    most_mib: float = 0.0


def own_memory_mib(pids: Sequence[int]) -> float:
    """Add up the memory of processes that is no file's."""
    statuses = [Path(f"/proc/{pid}/status").read_text("utf-8") for pid in pids]
    return sum(int(one.split("RssAnon:")[1].split()[0]) for one in statuses) / 1024


@contextmanager
def watching_memory(server: Server) -> Iterator[Memory]:
    """Look at the workers' memory again and again during a block."""
    memory, is_over, pids = Memory(), Event(), list_children(server.process.pid)

    def look() -> None:
        while not is_over.wait(LOOK_EVERY_S):
            memory.most_mib = max(memory.most_mib, own_memory_mib(pids))

    thread = Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        is_over.set()
        thread.join()


def measure_memory(server: Server, pictures: Pictures) -> dict[str, float]:
    """Tell the workers' memory at rest, and the most of it under singles and batches."""
    found = {"at rest": own_memory_mib(list_children(server.process.pid))}
    ways: dict[str, Callable[[], object]] = {
        "10 clients with singles, 4 s": lambda: singles(CLIENTS, server, pictures, 4.0),
        "a batch of 64": lambda: send_batch(server.address, pictures.batch(64)),
        "a batch of 1,000": lambda: send_batch(server.address, pictures.batch(1000)),
        "2 batches of 1,000 at once": lambda: batches(1000, 2, LINES, server, pictures, 0.1),
    }
    for name, ask in ways.items():
        with watching_memory(server) as memory:
            ask()
        found[name] = memory.most_mib
    found["at rest again"] = own_memory_mib(list_children(server.process.pid))
    return found


@dataclass(slots=True)
class Beside:
    """Latencies of singles without and with a batch beside them, of one kind each."""

    alone: list[LoopResult] = field(default_factory=list)
    beside: list[LoopResult] = field(default_factory=list)
    batched_per_s: list[float] = field(default_factory=list)


def measure_beside(server: Server, pictures: Pictures, rounds: int, seconds: float) -> Beside:
    """Send singles alone, then beside a batch that is larger than the time allows, in turn."""
    found, batch = Beside(), pictures.batch(MOST_PICTURES)
    for _ in range(rounds):
        found.alone.append(ask_singles(server, pictures, CLIENTS, seconds))
        sending = Sending(server.address, batch)
        thread = Thread(target=sending.run)
        thread.start()
        time.sleep(SETTLE_S)
        before, began_s = sending.result.right, time.perf_counter()
        found.beside.append(ask_singles(server, pictures, CLIENTS, seconds))
        took_s = time.perf_counter() - began_s
        found.batched_per_s.append((sending.result.right - before) / took_s)
        sending.cancel()
        thread.join()
        time.sleep(SETTLE_S)
    return found


def report_speed(turns: dict[str, list[Turn]]) -> Iterator[str]:
    """Write medians, and each beside that of the first way."""
    first = next(iter(turns.values()))
    rate, cpu_ms = (
        statistics.median(getattr(one, name) for one in first) for name in ("per_s", "cpu_ms")
    )
    yield "| way | pictures/s (lowest, highest) | to the first | CPU ms a picture | to the first |"
    yield "|---|---|---|---|---|"
    for way, found in turns.items():
        rates, costs = [one.per_s for one in found], [one.cpu_ms for one in found]
        mine, cost = statistics.median(rates), statistics.median(costs)
        spread = f"{mine:.0f} ({min(rates):.0f}, {max(rates):.0f})"
        yield f"| {way} | {spread} | {mine / rate:.2f} | {cost:.2f} | {cost / cpu_ms:.2f} |"


def report_memory(found: dict[str, float]) -> Iterator[str]:
    """Write what the workers took together."""
    yield "| all workers' own memory | MiB |"
    yield "|---|---|"
    yield from (f"| {name} | {mib:.0f} |" for name, mib in found.items())


def report_beside(found: Beside) -> Iterator[str]:
    """Write percentiles of all rounds together, and of each round the ratio of both p99."""
    yield "| singles, 10 clients | answers | per second | p50, ms | p99, ms | failed |"
    yield "|---|---|---|---|---|---|"
    for name, runs in (("alone", found.alone), ("beside a batch of 1,000", found.beside)):
        all_ms = [ms for run in runs for ms in run.latencies_ms]
        per_s = statistics.median(run.throughput_per_s for run in runs)
        failed = sum(run.errors.total() for run in runs)
        yield (
            f"| {name} | {len(all_ms)} | {per_s:.0f} | {percentile(all_ms, 50):.1f} "
            f"| {percentile(all_ms, 99):.1f} | {failed} |"
        )
    ratios = [
        percentile(with_it.latencies_ms, 99) / percentile(without.latencies_ms, 99)
        for without, with_it in zip(found.alone, found.beside, strict=True)
    ]
    yield ""
    yield (
        f"p99 beside a batch to p99 alone, round by round: "
        f"{', '.join(f'{one:.2f}' for one in ratios)}; median {statistics.median(ratios):.2f}. "
        f"The batch got {statistics.median(found.batched_per_s):.0f} pictures/s meanwhile."
    )


def main() -> None:
    """Start a server and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", choices=["speed", "memory", "beside"])
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        materials = Materials(
            Path(sys.executable).with_name("topfive"), given.weights.resolve(), given.photos,
            given.photos, Path(folder), Extent(),
        )  # fmt: skip
        with materials.serving("batch", SETTINGS) as server:
            pictures = Pictures(
                materials.requests(server.address),
                [one.read_bytes() for one in list_photos(given.photos)],
            )
            print(describe(server), "\n")
            if given.only in (None, "memory"):
                print(*report_memory(measure_memory(server, pictures)), "", sep="\n")
            if given.only in (None, "speed"):
                turns = measure_speed(server, pictures, given.rounds, given.seconds)
                print(*report_speed(turns), "", sep="\n")
            if given.only in (None, "beside"):
                found = measure_beside(server, pictures, given.rounds, given.seconds)
                print(*report_beside(found), sep="\n")


if __name__ == "__main__":
    main()
