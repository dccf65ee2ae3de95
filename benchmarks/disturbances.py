"""What clients notice when all workers are replaced, and when one is killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from findings import Bound, Finding, Section, at_most, none
from materials import Materials, describe
from probe import percentile
from process_tree import list_children
from server import Server

# So many clients keep their connections, and as many take a new one for each request.
CLIENTS_OF_A_KIND = 3
UNLIMITED = 100_000
CALM_S = 6.0
AFTER_S = 10.0
REST_S = 2.0


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A signal, whom it goes to, and whether nothing may be lost by it."""

    name: str
    send: Callable[[Server], None]
    loses_nothing: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """What six clients saw before and after the signal; `answers` are (moment s, latency ms)."""

    answers: Sequence[tuple[float, float]]
    errors: int
    disturbed_s: float
    replaced: int
    workers: int

    @property
    def normal_p99_ms(self) -> float:
        """The p99 of answers before the signal."""
        return percentile([ms for moment_s, ms in self.answers if moment_s < self.disturbed_s], 99)

    @property
    def longest_gap_ms(self) -> float:
        """The longest time from the signal on in which no client got a right answer."""
        # The end counts too, or answers that ceased for good would leave no gap.
        bounds_s = (self.disturbed_s, self.disturbed_s + AFTER_S)
        later_s = [moment_s for moment_s, _ in self.answers if moment_s >= self.disturbed_s]
        gaps_s = [
            after_s - before_s for before_s, after_s in pairwise(sorted([*bounds_s, *later_s]))
        ]
        return max(gaps_s) * 1000

    @property
    def slowest_ms(self) -> float:
        """The slowest right answer from the signal on."""
        return max((ms for moment_s, ms in self.answers if moment_s >= self.disturbed_s), default=0)


def reload_all(server: Server) -> None:
    """Ask for new workers in place of all."""
    server.process.send_signal(signal.SIGHUP)


def kill_one(server: Server) -> None:
    """Kill a worker, as the kernel does when memory runs out."""
    os.kill(list_children(server.process.pid)[0], signal.SIGKILL)


DISTURBANCES = (
    Disturbance("SIGHUP (all workers replaced)", reload_all, loses_nothing=True),
    Disturbance("kill -9 of one worker", kill_one, loses_nothing=False),
)


def measure(materials: Materials) -> Iterator[Section]:
    """Disturb a loaded server in each way, several times."""
    findings: list[Finding] = []
    with materials.serving("disturbances") as server:
        requests = materials.requests(server.address)
        about = describe(server)
        for disturbance in DISTURBANCES:
            seen = [observe(server, requests, disturbance) for _ in range(materials.extent.repeats)]
            findings += list_findings(disturbance, seen)
    method = (
        f"Six waiting clients, half of them on one connection each; the signal comes after "
        f"{CALM_S:g} s, and the load goes on for {AFTER_S:g} s. "
        f"{materials.extent.repeats} times each. A gap is a time without any right answer."
    )
    yield Section("Reload and loss of a worker", (about, method), findings)


def observe(server: Server, requests: Sequence[bytes], disturbance: Disturbance) -> Observation:
    """Load the server and disturb it once."""
    before = list_children(server.process.pid)
    with ThreadPoolExecutor(2) as pool:
        loops = [
            pool.submit(_serve_clients, server, requests, keep_alive=keep_alive)
            for keep_alive in (True, False)
        ]
        time.sleep(CALM_S)
        disturbed_s = time.perf_counter()
        disturbance.send(server)
        results = [loop.result() for loop in loops]
    after = list_children(server.process.pid)
    time.sleep(REST_S)
    answers = sorted(
        pair for one in results for pair in zip(one.answered_s, one.latencies_ms, strict=True)
    )
    errors = sum(one.errors.total() for one in results)
    return Observation(answers, errors, disturbed_s, len(set(before) - set(after)), len(after))


def _serve_clients(server: Server, requests: Sequence[bytes], *, keep_alive: bool) -> LoopResult:
    limits = LoopLimits(CLIENTS_OF_A_KIND, UNLIMITED, CALM_S + AFTER_S, keep_alive=keep_alive)
    return ClosedLoop(server.address, requests, limits).run()


def list_findings(disturbance: Disturbance, seen: Sequence[Observation]) -> Iterator[Finding]:
    """Set the figures of one disturbance beside what is asked of them."""

    def find(
        measure: str, values: Sequence[float], digits: int = 0, bound: Bound | None = None
    ) -> Finding:
        return Finding(measure, disturbance.name, values, digits, bound)

    strict = disturbance.loses_nothing
    gap_ratios = [one.longest_gap_ms / one.normal_p99_ms for one in seen]
    yield find("right answers", [len(one.answers) for one in seen])
    yield find("lost answers", [one.errors for one in seen], 0, none() if strict else None)
    yield find("p99 before, ms", [one.normal_p99_ms for one in seen])
    yield find("longest gap, ms", [one.longest_gap_ms for one in seen])
    yield find("longest gap / p99 before", gap_ratios, 2, at_most(2) if strict else None)
    yield find("slowest answer after it, ms", [one.slowest_ms for one in seen])
    yield find("workers replaced", [one.replaced for one in seen])
    yield find("workers at the end", [one.workers for one in seen])
