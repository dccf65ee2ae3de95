"""Measure routes: how even a split is, what a shadow costs, and how soon a canary is rolled back.

python benchmarks/routing.py --bundle models/mobilenet_v2/imagenet1k-v2 --photos DIR

With and without a shadow take turns in one run on one server, so that a noisy machine disturbs both
alike.
"""

import argparse
import json
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from open_loop import Arrivals, OpenLoop
from probe import percentile
from server import Server, ServerPlan, is_ready, serving
from uploads import DEFAULT_PHOTOS, ask, build_request, list_photos

CLIENTS = (1, 2, 4, 10)
# Uploads a second that come whether or not earlier ones were answered, and for how many seconds.
RATES = (10, 40, 100)
RATE_FOR_S = 6.0
SPLIT_REQUESTS = 10_000
NAME = "routed"
SETTINGS = {"TOPFIVE_HOST": "127.0.0.1", "TOPFIVE_PORT": "0", "TOPFIVE_RATE_LIMIT": ""}
ROUTES = (
    f"plain={NAME}@1:100",
    f"watched={NAME}@1:100,{NAME}@2:shadow",
    f"split={NAME}@1:90,{NAME}@2:10",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement on one alias: pictures a second, and times of answers in milliseconds."""

    load: str
    alias: str
    per_s: float
    p50_ms: float
    p99_ms: float
    shadows: int


def build_requests(server: Server, photos: Path, alias: str) -> list[bytes]:
    """Build a request for each photo that names an alias."""
    return [
        build_request(one, server.address).replace(
            b"/predict", f"/predict?model={alias}".encode(), 1
        )
        for one in list_photos(photos)
    ]


def send(server: Server, photos: Path, alias: str, limits: LoopLimits) -> LoopResult:
    """Send photos to an alias; raises RuntimeError if not every one was classified."""
    result = ClosedLoop(server.address, build_requests(server, photos, alias), limits).run()
    if result.errors:
        raise RuntimeError(f"not every picture was classified: {dict(result.errors)}")
    return result


def count(server: Server, metric: str, label: str = "") -> int:
    """Add up the samples of a metric that have a label's text in them."""
    lines = ask(server.address, "/metrics")[1].decode().splitlines()
    found = [line for line in lines if re.match(rf"{metric}\b", line) and label in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in found)


def measure_clients(
    server: Server, photos: Path, alias: str, clients: int, requests: int
) -> tuple[float, list[float]]:
    """Let clients send again and again; returns pictures a second, and times in milliseconds."""
    result = send(server, photos, alias, LoopLimits(clients, requests, 120.0))
    return result.throughput_per_s, result.latencies_ms


def measure_rate(
    server: Server, photos: Path, alias: str, rate_per_s: int
) -> tuple[float, list[float]]:
    """Send photos at a fixed rate; returns as `measure_clients`."""
    requests = build_requests(server, photos, alias)
    result = OpenLoop(server.address, requests, Arrivals(rate_per_s, RATE_FOR_S)).run()
    return result.rate_per_s(200), result.latencies_ms[200]


def measure_shadow(server: Server, photos: Path, repeats: int, requests: int) -> list[Turn]:
    """Take turns with and without a shadow, in changing order, under each load."""
    for alias in ("plain", "watched"):
        send(server, photos, alias, LoopLimits(4, 100, 60.0))
    loads: dict[str, Callable[[str], tuple[float, list[float]]]] = {
        f"{rate} a second": partial(measure_rate, server, photos, rate_per_s=rate) for rate in RATES
    } | {
        f"{clients} clients": partial(
            measure_clients, server, photos, clients=clients, requests=requests
        )
        for clients in CLIENTS
    }
    turns = []
    for number in range(repeats):
        for load, measure in loads.items():
            for alias in ("plain", "watched") if number % 2 else ("watched", "plain"):
                before = count(server, "topfive_shadow_predictions_total")
                per_s, times_ms = measure(alias)
                seen = count(server, "topfive_shadow_predictions_total") - before
                p50_ms, p99_ms = (percentile(times_ms, one) for one in (50, 99))
                turns.append(Turn(load, alias, per_s, p50_ms, p99_ms, seen))
    return turns


def measure_split(server: Server, photos: Path) -> str:
    """Send 10,000 requests to a route of 90 to 10, and tell who answered."""
    label = 'version="2"'
    before = count(server, "topfive_predictions_total", label)
    send(server, photos, "split", LoopLimits(10, SPLIT_REQUESTS, 600.0))
    got = count(server, "topfive_predictions_total", label) - before
    return f"Of {SPLIT_REQUESTS} requests the version with a weight of 10% answered {got}."


def measure_rollback(script: Path, models: Path, photos: Path) -> str:
    """Let a canary that is slower by far have a tenth of the requests."""
    settings = SETTINGS | {
        "TOPFIVE_MODEL": f"{NAME}@1",
        "TOPFIVE_MODELS_DIR": str(models),
        "TOPFIVE_ROUTES": f"default={NAME}@1:90,{NAME}@slow:10",
    }
    with (
        TemporaryDirectory() as folder,
        serving(ServerPlan(script, settings, Path(folder))) as server,
    ):
        server.wait_until(is_ready)
        began_s = time.time()
        send(server, photos, "default", LoopLimits(4, 6000, 60.0))
        rolled_back = read_events(server.log, "canary_rolled_back")
        answered = count(server, "topfive_predictions_total", 'version="slow"')
    if not rolled_back:
        return f"No canary was rolled back; it answered {answered} requests."
    after_s = [datetime.fromisoformat(one["time"]).timestamp() - began_s for one in rolled_back]
    times = ", ".join(f"{one:.2f}" for one in after_s)
    return (
        f"The canary was rolled back {times} s after the first request; it answered {answered} in "
        f"all: {rolled_back[0]['reason']}"
    )


def read_events(log: Path, event: str) -> list[dict[str, str]]:
    """Find the lines of an event in a server's log."""
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(json.JSONDecodeError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("event") == event:
                found.append(entry)
    return found


def format_turns(turns: list[Turn]) -> str:
    """Write the medians as a Markdown table; ratios are those of neighbouring turns."""
    columns = (
        "load", "pictures/s without, with", "ratio", "p50 ms without, with",
        "p99 ms without, with", "ratio", "pictures that the shadow saw",
    )  # fmt: skip
    lines = [
        f"| {' | '.join(columns)} |",
        "|---|---|---|---|---|---|---|",
    ]
    for load in dict.fromkeys(one.load for one in turns):
        plain, watched = (
            [one for one in turns if (one.load, one.alias) == (load, alias)]
            for alias in ("plain", "watched")
        )
        pairs = list(zip(plain, watched, strict=True))
        rates = [statistics.median(one.per_s for one in side) for side in (plain, watched)]
        p50s = [statistics.median(one.p50_ms for one in side) for side in (plain, watched)]
        p99s = [statistics.median(one.p99_ms for one in side) for side in (plain, watched)]
        rate = statistics.median(other.per_s / one.per_s for one, other in pairs)
        p99 = statistics.median(other.p99_ms / one.p99_ms for one, other in pairs)
        seen = statistics.median(one.shadows for one in watched)
        lines.append(
            f"| {load} | {rates[0]:.0f}, {rates[1]:.0f} | {rate:.2f} "
            f"| {p50s[0]:.1f}, {p50s[1]:.1f} | {p99s[0]:.1f}, {p99s[1]:.1f} | {p99:.2f} "
            f"| {seen:.0f} |"
        )
    return "\n".join(lines)


@contextmanager
def routed(script: Path, models_dir: str, min_idle: str) -> Iterator[Server]:
    """Run topfive with all routes during a block."""
    settings = SETTINGS | {
        "TOPFIVE_MODEL": f"{NAME}@1",
        "TOPFIVE_MODELS_DIR": models_dir,
        "TOPFIVE_ROUTES": ";".join(ROUTES),
        "TOPFIVE_SHADOW_MIN_IDLE": min_idle,
    }
    with (
        TemporaryDirectory() as folder,
        serving(ServerPlan(script, settings, Path(folder))) as server,
    ):
        server.wait_until(is_ready)
        yield server


def copy_version(bundle: Path, models: Path, version: str) -> None:
    """Put a copy of a bundle below `models`, under another name and version."""
    folder = models / NAME / version
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "bundle.json").read_text("utf-8"))
    manifest |= {"name": NAME, "version": version}
    (folder / "bundle.json").write_text(json.dumps(manifest), "utf-8")


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="the folder of a bundle")
    parser.add_argument("--slow-bundle", type=Path, help="that of a canary to be rolled back")
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--requests", type=int, default=800)
    parser.add_argument("--min-idle", default="0.5", help="TOPFIVE_SHADOW_MIN_IDLE")
    parser.add_argument("--only", choices=("shadow", "split", "rollback"), help="one of the three")
    given = parser.parse_args()
    script = Path(sys.executable).with_name("topfive")
    parts = (given.only,) if given.only else ("shadow", "split", "rollback")
    with TemporaryDirectory() as models_dir:
        for version in ("1", "2"):
            copy_version(given.bundle, Path(models_dir), version)
        with routed(script, models_dir, given.min_idle) as server:
            if "shadow" in parts:
                turns = measure_shadow(server, given.photos, given.repeats, given.requests)
                print(format_turns(turns))
            if "split" in parts:
                print(measure_split(server, given.photos))
        if "rollback" in parts and given.slow_bundle:
            copy_version(given.slow_bundle, Path(models_dir), "slow")
            print(measure_rollback(script, Path(models_dir), given.photos))


if __name__ == "__main__":
    main()
