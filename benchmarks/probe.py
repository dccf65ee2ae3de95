"""One process that asks /health at a steady pace while others send load."""

import math
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from uploads import Address, ask

PROBE_TIMEOUT_S = 10.0


@dataclass(slots=True)
class ProbeResult:
    """Latencies of /health, the probes that failed, and the turns a slow probe made it miss."""

    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0
    missed: int = 0
    cpu_ms: float = 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Take a percentile by the nearest rank; NaN of nothing."""
    if not values:
        return math.nan
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


@contextmanager
def probing(address: Address, interval_s: float) -> Iterator[ProbeResult]:
    """Probe /health during a block; the result is filled when the block ends."""
    result = ProbeResult()
    if interval_s <= 0:
        yield result
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_probe, args=(address, interval_s, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield result
        ours.send("stop")
        seen: ProbeResult = ours.recv()
        result.latencies_ms, result.failures = seen.latencies_ms, seen.failures
        result.missed, result.cpu_ms = seen.missed, seen.cpu_ms
    finally:
        ours.close()
        process.join(PROBE_TIMEOUT_S * 2)


def _probe(address: Address, interval_s: float, parent: Connection) -> None:
    """Probe until the parent says stop or is gone, then hand the result over."""
    result = ProbeResult()
    parent.send("ready")
    before_ms = time.process_time() * 1000
    due_s = time.perf_counter()
    while not parent.poll(max(0.0, due_s - time.perf_counter())):
        _ask_health(address, result)
        due_s += interval_s
        late = max(0, int((time.perf_counter() - due_s) / interval_s))
        result.missed += late
        due_s += late * interval_s
    result.cpu_ms = time.process_time() * 1000 - before_ms
    try:
        parent.send(result)
    except BrokenPipeError:
        return


def _ask_health(address: Address, result: ProbeResult) -> None:
    """Ask on a new connection, as a load balancer does."""
    started_s = time.perf_counter()
    try:
        status, _ = ask(address, "/health", timeout_s=PROBE_TIMEOUT_S)
    except OSError:
        status = 0
    if status == 200:
        result.latencies_ms.append((time.perf_counter() - started_s) * 1000)
    else:
        result.failures += 1
