"""Measure what the stores that workers and machines share cost, each by itself.

python benchmarks/shared_stores.py [--seconds 1]

The rate limit, the cache and the state of models, in this machine's memory and in a Redis that is
started here; one process that does nothing else, then two.
"""

import argparse
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory

from limits import parse
from limits.strategies import FixedWindowRateLimiter

from process_tree import read_stat
from topfive.cache.shared_memory import SharedMemoryStore
from topfive.cache.store import Store
from topfive.cache.valkey import ValkeyStore
from topfive.ratelimit.stores import open_store
from topfive.registry.state_stores import RedisState, StateFile, StateStore, open_state_redis

CALLERS = ANSWERS = 1000
# An answer of five classes, as it is kept.
ENTRY = bytes(500)
RATE = parse("100000000/minute")
CACHE_BYTES = 64 * 1024**2
KINDS = {
    "count": "rate limit: a request counted, its quota told",
    "keep": "cache: an answer kept",
    "find": "cache: an answer found",
    "look": "state of models: a look",
}
ROW = "| {} | {} | {} | {:.0f} | {:.1f} | {} |"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stores are: a folder in memory, or, where it is set, the address of a Redis."""

    folder: Path
    url: str = ""


@dataclass(frozen=True, slots=True)
class Worked:
    """What processes have done in all: calls a second, and seconds of CPU for them."""

    calls: int
    seconds: float
    cpu_s: float


def open_call(kind: str, place: Place) -> Callable[[int], object]:
    """Open what a worker opens; returns one call of it, given a number that goes up."""
    if kind == "count":
        limiter = FixedWindowRateLimiter(open_store(place.url or f"lmdb://{place.folder}"))
        return partial(count_one, limiter)
    if kind == "look":
        state = open_state(place)
        return lambda _: state.read()
    cache = open_cache(place)
    if kind == "keep":
        return lambda number: cache.put(name(number), ENTRY)
    return lambda number: cache.get(name(number))


def count_one(limiter: FixedWindowRateLimiter, number: int) -> None:
    """Count a request and ask for what the headers tell, as each prediction does."""
    caller = f"caller {number % CALLERS}"
    limiter.hit(RATE, caller)
    limiter.get_window_stats(RATE, caller)


def open_state(place: Place) -> StateStore:
    """Open the state of models."""
    if place.url:
        return RedisState(open_state_redis(place.url), "state")
    return StateFile(place.folder / "state.json")


def open_cache(place: Place) -> Store:
    """Open the cache."""
    if place.url:
        return ValkeyStore(place.url, ttl_s=600)
    return SharedMemoryStore(place.folder, CACHE_BYTES)


def name(number: int) -> bytes:
    """Name an answer by 32 bytes, as a digest does."""
    return f"{number % ANSWERS:032d}".encode()


def work(kind: str, place: Place, seconds: float) -> Worked:
    """Call again and again for some seconds."""
    call = open_call(kind, place)
    for number in range(ANSWERS):
        call(number)
    calls, began_s, began_cpu_s = 0, time.monotonic(), time.process_time()
    while (took_s := time.monotonic() - began_s) < seconds:
        call(calls)
        calls += 1
    return Worked(calls, took_s, time.process_time() - began_cpu_s)


def measure(kind: str, place: Place, processes: int, seconds: float, server: int) -> str:
    """Let processes work at once; returns the table's row."""
    before_ms = cpu_ms(server)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        all_worked = list(pool.map(work, *zip(*[(kind, place, seconds)] * processes, strict=True)))
    used_ms = cpu_ms(server) - before_ms
    calls = sum(one.calls for one in all_worked)
    warm_up = processes * ANSWERS
    return ROW.format(
        KINDS[kind],
        "Redis" if place.url else "memory",
        processes,
        sum(one.calls / one.seconds for one in all_worked),
        sum(one.cpu_s for one in all_worked) / calls * 1e6,
        f"{used_ms * 1000 / (calls + warm_up):.1f}" if place.url else "",
    )


def cpu_ms(pid: int) -> float:
    """Read the CPU time of a process."""
    stat = read_stat(pid)
    return stat.cpu_ms if stat else 0.0


@contextmanager
def run_redis(folder: Path) -> Iterator[tuple[str, int]]:
    """Start a Redis that keeps nothing on disk; gives its address and its process id."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        sys.exit("neither valkey-server nor redis-server is installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = Popen([program, *options], stdout=DEVNULL)
    try:
        wait_for(port)
        yield f"redis://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    """Wait until something listens there."""
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("Redis did not start")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    seconds = parser.parse_args().seconds
    print("| what | where | processes | calls/s in all | their CPU a call, us | Redis's CPU, us |")
    print("|---|---|---|---|---|---|")
    with ExitStack() as open_now:
        folder = Path(open_now.enter_context(TemporaryDirectory(dir="/dev/shm")))
        SharedMemoryStore(folder, CACHE_BYTES).prepare()
        url, pid = open_now.enter_context(run_redis(folder))
        for kind in KINDS:
            for place in (Place(folder), Place(folder, url)):
                for processes in (1, 2):
                    print(measure(kind, place, processes, seconds, pid), flush=True)


if __name__ == "__main__":
    main()
