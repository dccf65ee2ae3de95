"""Uploads at multiples of what the service can do: what it still does, and how it refuses."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from closed_loop import ClosedLoop, LoopLimits
from findings import Bound, Finding, Section, at_least, none, under
from materials import Materials, describe
from open_loop import Arrivals, OpenLoop, OpenLoopResult
from probe import ProbeResult, percentile, probing
from process_tree import read_tree, total_cpu_ms
from server import Server

CLIENTS = 32
UNLIMITED = 100_000
PROBE_INTERVAL_S = 0.05
# The main loop logs what it refused twice a second.
LOG_DELAY_S = 1.0
RANDOM_WEIGHTS = Path(__file__).with_name("random_weights.py")


@dataclass(frozen=True, slots=True)
class Case:
    """One model, and the multiples of its capacity to send at."""

    model: str
    multiples: Sequence[int]
    load_s: float
    note: str


@dataclass(frozen=True, slots=True)
class Pair:
    """The capacity, and right after it an open loop at a multiple of it."""

    capacity_per_s: float
    loop: OpenLoopResult
    health: ProbeResult
    load_shed: int
    server_cpu_percent: float

    @property
    def right_per_s(self) -> float:
        """How many right answers came per second while the rate was kept up."""
        return self.loop.rate_per_s(200)

    @property
    def rejects_ms(self) -> list[float]:
        """How long it took to be told 503."""
        return self.loop.latencies_ms.get(503, [])

    @property
    def strange(self) -> int:
        """How many requests ended in anything but a right answer or 503."""
        known = (200, 503)
        others = sum(
            len(ms) for status, ms in self.loop.latencies_ms.items() if status not in known
        )
        return self.loop.faults.total() + others


def measure(materials: Materials) -> Iterator[Section]:
    """Overload both models in turn."""
    load_s = materials.extent.load_s
    yield measure_case(materials, Case("mobilenet_v2", (2, 3, 5, 10), load_s, ""), {})
    weights = materials.folder / "resnet50-random.pth"
    subprocess.run([sys.executable, RANDOM_WEIGHTS, "resnet50", weights], check=True)
    # It answers few pictures a second, so that it takes longer to count enough of them.
    note = "The weights are random, which makes no difference to the speed."
    slow = Case("resnet50", (2, 5, 10), load_s * 1.5, note)
    settings = {"TOPFIVE_MODEL": "resnet50", "TOPFIVE_WEIGHTS": str(weights)}
    yield measure_case(materials, slow, settings)


def measure_case(materials: Materials, case: Case, settings: dict[str, str]) -> Section:
    """Measure each multiple of one model, all multiples in turn for every repeat."""
    pairs: dict[int, list[Pair]] = {multiple: [] for multiple in case.multiples}
    with materials.serving(f"overload-{case.model}", settings) as server:
        requests = materials.requests(server.address)
        for _ in range(materials.extent.repeats):
            for multiple in case.multiples:
                pairs[multiple].append(measure_pair(server, requests, multiple, case.load_s))
        about = f"{describe(server)} {case.note}".strip()
    method = (
        f"{materials.extent.repeats} pairs for each multiple: {case.load_s:g} s in which {CLIENTS} "
        "waiting clients show the capacity, then as long in which uploads come at random moments "
        "at a multiple of it. Each upload is on a new connection."
    )
    findings = [one for multiple in pairs for one in list_findings(multiple, pairs[multiple])]
    return Section(f"Overload, {case.model}", (about, method), findings)


def measure_pair(server: Server, requests: Sequence[bytes], multiple: int, load_s: float) -> Pair:
    """Take the capacity, then send at a multiple of it."""
    with probing(server.address, PROBE_INTERVAL_S):
        limits = LoopLimits(CLIENTS, UNLIMITED, load_s, keep_alive=False)
        calm = ClosedLoop(server.address, requests, limits).run()
    capacity_per_s = len(calm.latencies_ms) / calm.duration_s
    load_shed = count_load_shed(server.log)
    cpu_ms = total_cpu_ms(read_tree(server.process.pid))
    with probing(server.address, PROBE_INTERVAL_S) as health:
        arrivals = Arrivals(capacity_per_s * multiple, load_s)
        loop = OpenLoop(server.address, requests, arrivals).run()
    cpu_ms = total_cpu_ms(read_tree(server.process.pid)) - cpu_ms
    time.sleep(LOG_DELAY_S)
    load_shed = count_load_shed(server.log) - load_shed
    return Pair(capacity_per_s, loop, health, load_shed, cpu_ms / loop.duration_s / 10)


def count_load_shed(log: Path) -> int:
    """Add up what the main loops refused without a thread."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return sum(int(json.loads(line)["count"]) for line in lines if '"load_shed"' in line)


def list_findings(multiple: int, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Set the figures of one multiple beside what is asked of them."""
    case = f"{multiple} times"

    def find(
        measure: str, values: Sequence[float], digits: int = 1, bound: Bound | None = None
    ) -> Finding:
        return Finding(measure, case, values, digits, bound)

    goodput = at_least(0.95 if multiple <= 5 else 0.85)
    right_ms = [pair.loop.latencies_ms.get(200, []) for pair in pairs]
    health_ms = [pair.health.latencies_ms for pair in pairs]
    rejects_ms = [pair.rejects_ms for pair in pairs]
    yield find("capacity, per second", [pair.capacity_per_s for pair in pairs])
    yield find("uploads sent", [pair.loop.sent for pair in pairs], 0)
    yield find("right answers per second", [pair.right_per_s for pair in pairs])
    yield find(
        "goodput: right answers / capacity",
        [pair.right_per_s / pair.capacity_per_s for pair in pairs], 2, goodput,
    )  # fmt: skip
    yield find("p99 of right answers, ms", [percentile(ms, 99) for ms in right_ms], 0)
    yield find("rejects (503)", [len(ms) for ms in rejects_ms], 0)
    yield find("of these by the main loop alone", [pair.load_shed for pair in pairs], 0)
    yield find("p50 of rejects, ms", [percentile(ms, 50) for ms in rejects_ms])
    yield find("p99 of rejects, ms", [percentile(ms, 99) for ms in rejects_ms], 1, under(50))
    yield find("p99 of /health, ms", [percentile(ms, 99) for ms in health_ms], 1, under(100))
    yield find("slowest /health, ms", [percentile(ms, 100) for ms in health_ms], 0)
    yield find("/health failures", [pair.health.failures for pair in pairs], 0, none())
    yield find("lost or strange answers", [pair.strange for pair in pairs], 0, none())
    cpu_percent = [pair.loop.cpu_ms / pair.loop.duration_s / 10 for pair in pairs]
    yield find("generator's CPU, % of a core", cpu_percent, 0)
    yield find("server's CPU, % of a core", [pair.server_cpu_percent for pair in pairs], 0)
