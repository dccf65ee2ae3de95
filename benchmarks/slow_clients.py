"""Well-behaved clients beside two hundred that are slow on purpose, one kind at a time."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from findings import Bound, Finding, Section, at_least, at_most, none, under
from materials import Materials, describe
from probe import ProbeResult, percentile, probing
from process_tree import list_children
from server import Server
from slow_attack import Attack, AttackResult, attacking

CLIENTS = 4
CONNECTIONS = 200
UNLIMITED = 100_000
PROBE_INTERVAL_S = 0.05
REST_S = 3.0
REQUEST_TIMEOUT_S = 20
# The three allowances of the server, and how much later than that a connection may end.
HEAD_S, BODY_S, SEND_S = 10.0, REQUEST_TIMEOUT_S + 5.0, 10.0
GRACE_S = 15.0

HOST = b"Host: 127.0.0.1\r\n"
UPLOAD = b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Type: image/jpeg\r\n"
LARGE = b"GET /docs/assets/redoc/js/redoc.standalone.js HTTP/1.1\r\n" + HOST + b"\r\n"
PIPELINED = 20
ATTACKS = (
    Attack("idle", b"", b"", HEAD_S),
    Attack("head drips", b"POST /predict HTTP/1.1\r\n" + HOST + b"X-Slow: ", b"a", HEAD_S),
    Attack("body drips", UPLOAD + b"Content-Length: 100000\r\n\r\n", b"\xff", BODY_S),
    Attack(
        "chunked body drips",
        UPLOAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n", b"\xff", BODY_S,
    ),
    # The drip begins one more request; by it the client notices that the server has closed.
    Attack("never read", LARGE * PIPELINED, b"G", SEND_S, reads=False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calm:
    """What the clients and the probe saw, with or without an attack."""

    loop: LoopResult
    health: ProbeResult

    @property
    def right_per_s(self) -> float:
        """How many right answers came per second."""
        return len(self.loop.latencies_ms) / self.loop.duration_s


def measure(materials: Materials) -> Iterator[Section]:
    """Attack with each kind in turn."""
    extent = materials.extent
    settings = {"TOPFIVE_REQUEST_TIMEOUT_S": str(REQUEST_TIMEOUT_S)}
    findings: list[Finding] = []
    with materials.serving("slow", settings) as server:
        requests = materials.requests(server.address)
        about = f"{describe(server)} TOPFIVE_REQUEST_TIMEOUT_S={REQUEST_TIMEOUT_S}."
        for attack in ATTACKS:
            findings += measure_attack(server, requests, attack, extent.calm_s, extent.attack_s)
            time.sleep(REST_S)
    method = (
        f"{CONNECTIONS} slow connections of one kind for {extent.attack_s:g} s, each opened again "
        f"when it is closed; {CLIENTS} waiting clients on new connections meanwhile, and for "
        f"{extent.calm_s:g} s right before. Allowances: head {HEAD_S:g} s, body {BODY_S:g} s, "
        f"reading the answer {SEND_S:g} s; a connection may live {GRACE_S:g} s longer."
    )
    yield Section("Slow clients", (about, method), findings)


def measure_attack(
    server: Server, requests: Sequence[bytes], attack: Attack, calm_s: float, attack_s: float
) -> list[Finding]:
    """Measure the clients without and with one kind of attack."""
    workers = list_children(server.process.pid)
    calm = serve_clients(server, requests, calm_s)
    with attacking(server.address, attack, CONNECTIONS) as ends:
        attacked = serve_clients(server, requests, attack_s)
    restarts = len(set(list_children(server.process.pid)) - set(workers))
    return list(list_findings(attack, calm, attacked, ends, restarts))


def serve_clients(server: Server, requests: Sequence[bytes], duration_s: float) -> Calm:
    """Run the well-behaved clients and the probe."""
    limits = LoopLimits(CLIENTS, UNLIMITED, duration_s, keep_alive=False)
    with probing(server.address, PROBE_INTERVAL_S) as health:
        loop = ClosedLoop(server.address, requests, limits).run()
    return Calm(loop, health)


def list_findings(
    attack: Attack, calm: Calm, attacked: Calm, ends: AttackResult, restarts: int
) -> Iterator[Finding]:
    """Set the figures of one kind beside what is asked of them."""

    def find(measure: str, value: float, digits: int = 1, bound: Bound | None = None) -> Finding:
        return Finding(measure, attack.name, [value], digits, bound)

    ratio = attacked.right_per_s / calm.right_per_s
    health_ms = attacked.health.latencies_ms
    yield find("right answers per second before", calm.right_per_s)
    yield find("right answers per second meanwhile", attacked.right_per_s)
    yield find("goodput: meanwhile / before", ratio, 2, at_least(0.9))
    yield find("p99 of right answers before, ms", percentile(calm.loop.latencies_ms, 99), 0)
    yield find("p99 of right answers meanwhile, ms", percentile(attacked.loop.latencies_ms, 99), 0)
    yield find("other answers and lost ones", attacked.loop.errors.total(), 0, none())
    yield find("p99 of /health, ms", percentile(health_ms, 99), 1, under(100))
    yield find("slowest /health, ms", percentile(health_ms, 100), 0)
    yield find("/health failures", attacked.health.failures, 0, none())
    yield find("workers restarted", restarts, 0, none())
    yield find("slow connections closed", len(ends.lives_s), 0)
    yield Finding(
        "what they were told", attack.name, words=_count_words(ends.told) or "none closed"
    )
    yield find("median life, s", percentile(ends.lives_s, 50))
    yield find("longest life, s", ends.longest_s, 1, at_most(attack.allowance_s + GRACE_S))
    yield find("attacker's CPU, % of a core", _cpu_percent(ends, attacked), 0)


def _count_words(told: Sequence[str]) -> str:
    return ", ".join(f"{word}: {count}" for word, count in Counter(told).most_common())


def _cpu_percent(ends: AttackResult, attacked: Calm) -> float:
    return ends.cpu_ms / attacked.loop.duration_s / 10
