"""Measure what the Python client costs: its CPU time a picture, beside bare ways to send one.

python benchmarks/client_cost.py --weights FILE --photos DIR

All ask one server in turn in one run, one picture after the other; the CPU is that of the client's
process alone.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from materials import Extent, Materials, describe
from probe import percentile
from server import Server
from topfive.client import AsyncClient, Client
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, list_photos

HEADERS = {"Content-Type": "application/octet-stream"}


@dataclass(slots=True)
class Measured:
    """The rounds of one way: the client's CPU a picture, pictures a second, latencies."""

    cpu_ms: list[float] = field(default_factory=list)
    rates_per_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


def timed(ask: Callable[[bytes], object], pictures: Sequence[bytes]) -> Iterator[float]:
    """Ask for each picture; gives how many milliseconds each took."""
    for one in pictures:
        began_s = time.perf_counter()
        ask(one)
        yield (time.perf_counter() - began_s) * 1000


def bare(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use the standard library's connection, and read the answer's JSON."""
    connection = HTTPConnection(server.address.host, server.address.port, timeout=30)

    def ask(picture: bytes) -> object:
        connection.request("POST", "/predict", picture, HEADERS)
        return json.loads(connection.getresponse().read())["predictions"]

    found = list(timed(ask, pictures))
    connection.close()
    return found


def httpx_alone(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use httpx, on which the client stands."""
    with httpx.Client(base_url=server.url) as client:

        def ask(picture: bytes) -> object:
            return client.post("/predict", content=picture, headers=HEADERS).json()["predictions"]

        return list(timed(ask, pictures))


def httpx_async(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use httpx in an event loop."""

    async def run() -> list[float]:
        found = []
        async with httpx.AsyncClient(base_url=server.url) as client:
            for one in pictures:
                began_s = time.perf_counter()
                answer = await client.post("/predict", content=one, headers=HEADERS)
                _ = answer.json()["predictions"]
                found.append((time.perf_counter() - began_s) * 1000)
        return found

    return asyncio.run(run())


def client(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use the client."""
    with Client(server.url) as asking:
        return list(timed(lambda one: asking.predict(one).best, pictures))


def async_client(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use the client for event loops, one picture at a time."""

    async def run() -> list[float]:
        found = []
        async with AsyncClient(server.url) as asking:
            for one in pictures:
                began_s = time.perf_counter()
                _ = (await asking.predict(one)).best
                found.append((time.perf_counter() - began_s) * 1000)
        return found

    return asyncio.run(run())


def many(server: Server, pictures: Sequence[bytes]) -> list[float]:
    """Use the client's batches; there is no time of one picture alone."""
    with Client(server.url) as asking:
        found = [one.get().best for one in asking.predict_many(pictures)]
    if len(found) != len(pictures):
        sys.exit(f"{len(found)} results of {len(pictures)} pictures")
    return []


WAYS: dict[str, Callable[[Server, Sequence[bytes]], list[float]]] = {
    "http.client": bare,
    "httpx": httpx_alone,
    "httpx, async": httpx_async,
    "Client.predict": client,
    "AsyncClient.predict": async_client,
    "Client.predict_many": many,
}


def measure(server: Server, pictures: Sequence[bytes], rounds: int) -> dict[str, Measured]:
    """Ask in turn, round by round; a first round only warms up."""
    measured = {way: Measured() for way in WAYS}
    for number in range(rounds + 1):
        for way, ask in WAYS.items():
            cpu_s, began_s = time.process_time(), time.perf_counter()
            latencies_ms = ask(server, pictures)
            cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - began_s
            if number:
                measured[way].cpu_ms.append(cpu_s * 1000 / len(pictures))
                measured[way].rates_per_s.append(len(pictures) / took_s)
                measured[way].latencies_ms += latencies_ms
    return measured


def report(measured: dict[str, Measured]) -> Iterator[str]:
    """Write medians of the client's CPU, and what each way adds to the first."""
    first = statistics.median(next(iter(measured.values())).cpu_ms)
    yield "| way | CPU ms a picture | more than the first | pictures/s | p50, ms | p99, ms |"
    yield "|---|---|---|---|---|---|"
    for way, found in measured.items():
        cpu_ms, rate = statistics.median(found.cpu_ms), statistics.median(found.rates_per_s)
        p50, p99 = (percentile(found.latencies_ms, percent) for percent in (50, 99))
        times = f"{p50:.2f} | {p99:.2f}" if found.latencies_ms else "|"
        yield f"| {way} | {cpu_ms:.2f} | {cpu_ms - first:+.2f} | {rate:.0f} | {times} |"


def main() -> None:
    """Start a server and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=400)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        materials = Materials(
            Path(sys.executable).with_name("topfive"), given.weights.resolve(), given.photos,
            given.photos, Path(folder), Extent(),
        )  # fmt: skip
        with materials.serving("client", {}) as server:
            photos = [one.read_bytes() for one in list_photos(given.photos)]
            pictures = list(islice(cycle(photos), given.pictures))
            print(describe(server), "\n")
            print(*report(measure(server, pictures, given.rounds)), sep="\n")


if __name__ == "__main__":
    main()
