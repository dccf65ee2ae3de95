"""Measure the cache: a hit against a miss, a trace with favourites, and the same picture at once.

python benchmarks/cache.py --weights FILE --photos DIR

A server without a cache and servers with one are asked in turn in one run.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from materials import Extent, Materials, describe
from probe import percentile
from process_tree import read_tree, total_cpu_ms
from server import Server
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, Address, ask, list_photos
from ways_in import post
from zipf import best_hit_ratio, draw_trace, vary_photos

CLIENTS = 10
UNLIMITED = 10**6
TRACE = 5000
EXPONENTS = (0.8, 1.0)
# Room for all answers of the trace, and the least that may be set, which holds about half of them
# where they have a hundred classes.
LARGE_BYTES, SMALL_BYTES = 64 * 1024**2, 4 * 1024**2
MANY_CLASSES = "/predict?top_k=100"
AT_ONCE = 100
# Two workers of one slot and a queue of 32 hold 66: nearly as many clients, a few more, a flood.
FLOODS = (60, 75, 200)
PARTS = ("ways", "trace", "flight", "full")
NO_STORE = {"Cache-Control": "no-store"}
JPEG = {"Content-Type": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Servers:
    """One without a cache, one with room for all, one with little room."""

    off: Server
    large: Server
    small: Server


@dataclass(slots=True)
class Measured:
    """The rounds of one way: pictures a second, the server's CPU for one, latencies."""

    rates_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    cached_ms: dict[str, list[float]] = field(default_factory=dict)


def build(
    address: Address, pictures: Sequence[bytes], path: str = "/predict", **headers: str
) -> list[bytes]:
    """Build requests whose bodies are the pictures."""
    told = JPEG | {name.replace("_", "-"): value for name, value in headers.items()}
    return [post(address, path, one, told) for one in pictures]


def run(
    server: Server, requests: Sequence[bytes], limits: LoopLimits, into: Measured
) -> LoopResult:
    """Ask once, and note what it cost."""
    before_ms = total_cpu_ms(read_tree(server.process.pid))
    result = ClosedLoop(server.address, requests, limits).run()
    used_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
    if result.errors:
        sys.exit(f"not every picture was classified: {dict(result.errors)}")
    into.rates_per_s.append(result.throughput_per_s)
    into.cpu_ms.append(used_ms / len(result.latencies_ms))
    into.latencies_ms += result.latencies_ms
    for status, found in result.cached_ms.items():
        into.cached_ms.setdefault(status, []).extend(found)
    return result


def measure_ways(
    servers: Servers, pictures: Sequence[bytes], rounds: int, seconds: float
) -> dict[str, Measured]:
    """Ask for a few pictures without a cache, with one that is passed by, and from it, in turn."""
    off, large = servers.off, servers.large
    ways: dict[str, tuple[Server, list[bytes], int]] = {}
    for clients in (CLIENTS, 1):
        ways |= {
            f"cache off, {clients} clients": (off, build(off.address, pictures), clients),
            f"no-store, {clients} clients": (
                large, build(large.address, pictures, Cache_Control="no-store"), clients),
            f"no-cache (a miss that is stored), {clients} clients": (
                large, build(large.address, pictures, Cache_Control="no-cache"), clients),
            f"hit, {clients} clients": (large, build(large.address, pictures), clients),
        }  # fmt: skip
    found = {way: Measured() for way in ways}
    for _ in range(rounds):
        for way, (server, requests, clients) in ways.items():
            run(server, requests, LoopLimits(clients, UNLIMITED, seconds), found[way])
    return found


@dataclass(frozen=True, slots=True)
class Traced:
    """What a trace took of one server: its costs, the hit ratio, and how many answers were held."""

    measured: Measured
    hit_ratio: float
    held: int


def measure_trace(
    servers: Servers, pictures: Sequence[bytes], exponent: float
) -> dict[str, Traced]:
    """Send one trace to each server, none of which has seen the pictures."""
    trace = draw_trace(len(pictures), TRACE, exponent)
    found = {}
    for name, server, path in (
        ("off", servers.off, "/predict"),
        ("room for all", servers.large, "/predict"),
        ("4 MiB, answers of 100 classes", servers.small, MANY_CLASSES),
    ):
        requests = build(server.address, pictures, path)
        measured, before = Measured(), count_held(server)
        run(server, [requests[one] for one in trace], LoopLimits(CLIENTS, TRACE, 60.0), measured)
        hits = sum(len(ms) for status, ms in measured.cached_ms.items() if is_hit(status))
        held = count_held(server) - (before if server is servers.large else 0)
        found[name] = Traced(measured, hits / len(measured.latencies_ms), held)
    return found


def count_held(server: Server) -> int:
    """Tell how many answers the cache holds: those that were stored and not evicted."""
    stored = read_metric(server, 'topfive_cache_results_total{result="stored"}')
    return int(stored - read_metric(server, "topfive_cache_evictions_total"))


def read_metric(server: Server, name: str) -> float:
    """Add up the samples of the metrics whose lines begin so."""
    lines = ask(server.address, "/metrics")[1].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def is_hit(status: str) -> bool:
    """Tell whether `Cache-Status` says that the answer was in the cache (RFC 9211)."""
    return "hit" in status.replace(";", " ").split()


@dataclass(frozen=True, slots=True)
class Flight:
    """One picture asked for many times at once: how many inferences, and when each was answered."""

    inferences: int
    latencies_ms: list[float]


def count_inferences(server: Server) -> int:
    """Read from the metrics how many pictures were inferred so far."""
    return int(read_metric(server, "topfive_inference_seconds_count"))


def measure_flight(server: Server, picture: bytes) -> Flight:
    """Ask for a new picture from many connections at the same moment."""
    request = build(server.address, [picture])
    before = count_inferences(server)
    result = ClosedLoop(server.address, request, LoopLimits(AT_ONCE, AT_ONCE, 30.0)).run()
    if result.errors:
        sys.exit(f"not every one of {AT_ONCE} was answered: {dict(result.errors)}")
    return Flight(count_inferences(server) - before, result.latencies_ms)


@dataclass(frozen=True, slots=True)
class Full:
    """What becomes of hits while every slot is taken: statuses, and latencies of the right ones."""

    clients: int
    asked: int
    answered: int
    latencies_ms: list[float]
    refused_misses: int


def measure_full(server: Server, pictures: Sequence[bytes], clients: int, seconds: float) -> Full:
    """Ask for what is in the cache while far more misses come than the slots can take."""
    misses = build(server.address, pictures, Cache_Control="no-store")
    loop = ClosedLoop(
        server.address, misses, LoopLimits(clients, UNLIMITED, seconds + 1, keep_alive=False)
    )
    hits = build(server.address, pictures[:1])
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(loop.run)
        found = ClosedLoop(server.address, hits, LoopLimits(2, UNLIMITED, seconds)).run()
        loop.stop()
        refused = flood.result().errors["503"]
    answered = len(found.latencies_ms)
    asked = answered + found.errors.total()
    return Full(clients, asked, answered, found.latencies_ms, refused)


def report_ways(found: dict[str, Measured]) -> Iterator[str]:
    """Write what a hit costs beside a miss."""
    yield "| way | answers/s | CPU ms each | p50, ms | p99, ms |"
    yield "|---|---|---|---|---|"
    for way, one in found.items():
        yield (
            f"| {way} | {statistics.median(one.rates_per_s):.0f} "
            f"| {statistics.median(one.cpu_ms):.2f} | {percentile(one.latencies_ms, 50):.2f} "
            f"| {percentile(one.latencies_ms, 99):.2f} |"
        )


def report_trace(exponent: float, found: dict[str, Traced]) -> Iterator[str]:
    """Write what a trace with favourites gets, and what an exact LRU of that size would have."""
    trace = draw_trace(1000, TRACE, exponent)
    yield ""
    yield f"{TRACE} requests from {CLIENTS} clients for 1,000 pictures, exponent {exponent:g}:"
    yield ""
    yield "| cache | hit ratio | exact LRU | held | answers/s | CPU ms each | p50, ms | p99, ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, one in found.items():
        measured = one.measured
        yield (
            f"| {name} | {one.hit_ratio:.3f} | {best_hit_ratio(trace, one.held):.3f} | {one.held} "
            f"| {measured.rates_per_s[0]:.0f} | {measured.cpu_ms[0]:.2f} "
            f"| {percentile(measured.latencies_ms, 50):.2f} "
            f"| {percentile(measured.latencies_ms, 99):.1f} |"
        )


def report_flights(flights: Sequence[Flight]) -> Iterator[str]:
    """Write how many inferences each burst took."""
    slowest = [max(one.latencies_ms) for one in flights]
    yield (
        f"{AT_ONCE} connections ask for the same new picture at once, {len(flights)} times: "
        f"{', '.join(str(one.inferences) for one in flights)} inferences; the last answer after "
        f"{statistics.median(slowest):.0f} ms (at most {max(slowest):.0f})."
    )


def report_full(found: Full) -> Iterator[str]:
    """Write whether hits were answered while misses were refused."""
    yield (
        f"While {found.clients} clients send misses, each again as soon as it has its answer "
        f"({found.refused_misses} refused), {found.answered} of {found.asked} requests for what is "
        f"in the cache were answered; p50 {percentile(found.latencies_ms, 50):.1f} ms, "
        f"p99 {percentile(found.latencies_ms, 99):.1f} ms."
    )


def measure_traces(servers: Servers, photos: list[Path]) -> Iterator[str]:
    """Send traces of all exponents, each of pictures that no cache has seen."""
    varied = vary_photos(photos)
    for exponent in EXPONENTS:
        yield from report_trace(exponent, measure_trace(servers, varied, exponent))
        varied = [one + b"\0" for one in varied]


def comment(picture: bytes, number: int) -> bytes:
    """Make another JPEG of the same pixels: a comment of two letters comes first."""
    return picture[:2] + b"\xff\xfe\x00\x04" + bytes([65 + number] * 2) + picture[2:]


def measure(
    servers: Servers, photos: list[Path], rounds: int, seconds: float, parts: Sequence[str]
) -> Iterator[str]:
    """Measure all in turn, and write each as it is there."""
    pictures = [one.read_bytes() for one in photos]
    if "ways" in parts:
        yield from report_ways(measure_ways(servers, pictures[:20], rounds, seconds))
    if "trace" in parts:
        yield from measure_traces(servers, photos)
    if "flight" in parts:
        new = [comment(pictures[0], number) for number in range(5)]
        yield ""
        yield from report_flights([measure_flight(servers.large, one) for one in new])
    if "full" in parts:
        for clients in FLOODS:
            yield ""
            yield from report_full(measure_full(servers.large, pictures, clients, seconds))


def main() -> None:
    """Start the servers and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--cache-url", default="", help="a Redis or Valkey in place of memory")
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    parts = [given.only] if given.only else PARTS
    with TemporaryDirectory() as folder, ExitStack() as stack:
        materials = Materials(
            Path(sys.executable).with_name("topfive"), given.weights.resolve(), given.photos,
            given.photos, Path(folder), Extent(),
        )  # fmt: skip
        serve = partial(_serve, materials, stack, given.cache_url)
        servers = Servers(serve("off", 0), serve("large", LARGE_BYTES), serve("small", SMALL_BYTES))
        print(describe(servers.large), "\n")
        photos = list_photos(given.photos)
        for line in measure(servers, photos, given.rounds, given.seconds, parts):
            print(line, flush=True)


def _serve(materials: Materials, stack: ExitStack, url: str, name: str, room_bytes: int) -> Server:
    settings = {"TOPFIVE_CACHE_BYTES": str(room_bytes)}
    if url and room_bytes:
        settings = {"TOPFIVE_CACHE_URL": url}
    return stack.enter_context(materials.serving(name, settings))


if __name__ == "__main__":
    main()
