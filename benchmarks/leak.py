"""Many requests, half of them hostile pictures, and what they leave behind in the workers."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from findings import Bound, Finding, Section, at_most, none
from materials import Materials, describe
from probe import percentile
from process_tree import count_handles, list_children, read_memory_mib
from server import Server
from uploads import Address, build_request

# So many clients send photos, and as many send hostile pictures.
CLIENTS_OF_A_KIND = 2
# Threads are made when they are first needed: this many clients have them made beforehand.
BURST = LoopLimits(clients=64, requests=640, duration_s=60, keep_alive=False)
EVERY_REQUESTS = 1000
ROUND_LIMIT_S = 300.0
# The server needs a moment to notice that its clients have gone.
SETTLE_S = 0.5
PER_REQUESTS = 10_000
MAX_GROWTH_MB = 5.0
# Threads and descriptors are whole: less than half of one is none.
MAX_GROWTH_OF_HANDLES = 0.5
MB_PER_MIB = 1.048576


@dataclass(frozen=True, slots=True)
class Sample:
    """One worker at rest after so many requests."""

    requests: int
    pss_mb: float
    rss_mb: float
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Round:
    """What both kinds of clients saw, and each worker afterwards."""

    photos: LoopResult
    hostile: LoopResult
    samples: dict[int, Sample]


def measure(materials: Materials) -> Iterator[Section]:
    """Send everything and watch the workers."""
    with materials.serving("leak") as server:
        photos = materials.requests(server.address)
        hostile = build_hostile_requests(materials.hostile, server.address)
        about = describe(server)
        ClosedLoop(server.address, photos, BURST).run()
        rounds = run_rounds(server, photos, hostile, materials.extent.requests)
    method = (
        f"{materials.extent.requests} requests from {2 * CLIENTS_OF_A_KIND} waiting clients, half "
        f"of them {len(hostile)} hostile pictures in turn, after a burst of {BURST.clients} "
        f"clients. The workers are looked at every {EVERY_REQUESTS} requests, at rest; growth is "
        "by least squares over the last half."
    )
    yield Section("Leaks", (about, method), list(list_findings(rounds)))


def build_hostile_requests(folder: Path, address: Address) -> list[bytes]:
    """Build an upload of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths:
        raise FileNotFoundError(f"no hostile pictures in {folder}; say --hostile FOLDER")
    return [build_request(path, address) for path in paths]


def run_rounds(
    server: Server, photos: Sequence[bytes], hostile: Sequence[bytes], requests: int
) -> list[Round]:
    """Send the requests in rounds, and look at the workers after each."""
    rounds = []
    half = EVERY_REQUESTS // 2
    for sent in range(EVERY_REQUESTS, requests + 1, EVERY_REQUESTS):
        with ThreadPoolExecutor(2) as pool:
            loops = [
                pool.submit(_send, server, _take(kind, sent // 2, half))
                for kind in (photos, hostile)
            ]
            results = [loop.result() for loop in loops]
        time.sleep(SETTLE_S)
        rounds.append(Round(results[0], results[1], take_samples(server, sent)))
    return rounds


def _take(requests: Sequence[bytes], start: int, count: int) -> list[bytes]:
    return [requests[at % len(requests)] for at in range(start, start + count)]


def _send(server: Server, requests: Sequence[bytes]) -> LoopResult:
    limits = LoopLimits(CLIENTS_OF_A_KIND, len(requests), ROUND_LIMIT_S)
    return ClosedLoop(server.address, requests, limits).run()


def take_samples(server: Server, requests: int) -> dict[int, Sample]:
    """Look at every worker."""
    samples = {}
    for pid in list_children(server.process.pid):
        pss_mib, rss_mib = read_memory_mib(pid)
        threads, descriptors = count_handles(pid)
        samples[pid] = Sample(
            requests, pss_mib * MB_PER_MIB, rss_mib * MB_PER_MIB, threads, descriptors
        )
    return samples


def list_findings(rounds: Sequence[Round]) -> Iterator[Finding]:
    """Set the figures of all workers and of both kinds of clients beside what is asked."""
    workers = list(rounds[0].samples)
    for number, pid in enumerate(workers, start=1):
        samples = [one.samples[pid] for one in rounds if pid in one.samples]
        yield from _list_growth(f"worker {number}", samples)
    yield from _list_answers(rounds)
    restarts = {pid for one in rounds for pid in one.samples} - set(workers)
    yield Finding("workers restarted", "all", [len(restarts)], 0, none())


def _list_growth(case: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    memory, handles = at_most(MAX_GROWTH_MB), at_most(MAX_GROWTH_OF_HANDLES)
    columns: list[tuple[str, list[float], Bound]] = [
        ("RSS, MB", [one.rss_mb for one in samples], memory),
        ("PSS, MB", [one.pss_mb for one in samples], memory),
        ("threads", [one.threads for one in samples], handles),
        ("descriptors", [one.descriptors for one in samples], handles),
    ]
    at = [one.requests for one in samples]
    for name, values, bound in columns:
        digits = 1 if bound is memory else 0
        for place, words in ((0, "first"), (len(values) // 2, "at half"), (-1, "at the end")):
            yield Finding(f"{name}, {words}", case, [values[place]], digits)
        growth = [fit_growth(at, values)]
        yield Finding(f"{name}: growth in {PER_REQUESTS:,} requests", case, growth, 1, bound)


def fit_growth(requests: Sequence[int], values: Sequence[float]) -> float:
    """Fit a line to the last half; return what it rises in PER_REQUESTS requests.

    NaN of a worker that did not live long enough.
    """
    half = len(values) // 2
    if len(values) - half < 2:
        return math.nan
    return linear_regression(requests[half:], values[half:]).slope * PER_REQUESTS


def _list_answers(rounds: Sequence[Round]) -> Iterator[Finding]:
    photos, hostile = [one.photos for one in rounds], [one.hostile for one in rounds]
    statuses = sum((one.errors for one in hostile), Counter[str]())
    statuses["200"] = sum(len(one.latencies_ms) for one in hostile)
    hostile_ms = [ms for one in hostile for ms in (*one.latencies_ms, *one.others_ms)]
    photos_ms = [ms for one in photos for ms in one.latencies_ms]
    words = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    errors = sum(one.errors.total() for one in photos)
    server_errors = sum(
        count
        for one in (*photos, *hostile)
        for status, count in one.errors.items()
        if not status.startswith("4")
    )
    yield Finding("answers to hostile pictures", "all", words=words)
    yield Finding("answers 5xx, and lost ones", "all", [server_errors], 0, none())
    yield Finding("photos without a right answer", "all", [errors], 0, none())
    yield Finding("p99 of answers to hostile pictures, ms", "all", [percentile(hostile_ms, 99)])
    yield Finding("slowest of these, ms", "all", [percentile(hostile_ms, 100)], 0)
    yield Finding("p99 of answers to photos, ms", "all", [percentile(photos_ms, 99)])
