"""What a comparison saw, and the tables made of it."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from load import LoadReport

RATE_HEADS = (
    "server",
    "pictures/s",
    "lowest to highest",
    "topfive / this",
    "p50, ms",
    "p99, ms",
    "/health p50, ms",
    "/health p99, ms",
    "server CPU a picture, ms",
    "errors",
    "/health failures",
)
REST_HEADS = (
    "server",
    "start to first answer, s",
    "memory (PSS), MiB",
    "processes",
    "same best class as topfive",
    "setup",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One load on one server that was started for it."""

    server: str
    clients: int
    start_s: float
    load: LoadReport

    @property
    def pss_mib(self) -> float:
        """The memory of all the server's processes at the end of the load."""
        return sum(process.pss_mib for process in self.load.processes)


@dataclass(frozen=True, slots=True)
class Trial:
    """How many pictures per second a server made of one setup, in each round."""

    server: str
    setup: str
    rates_per_s: Sequence[float]
    errors: int

    @property
    def rate_per_s(self) -> float:
        """The mean over the rounds; a setup with errors counts for nothing."""
        return 0.0 if self.errors else statistics.mean(self.rates_per_s)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a server before it is measured: its setup, and if it answers as topfive."""

    server: str
    setup: str
    agreement: float


def compute_ratio(cells: Sequence[Cell], server: str, clients: int, baseline: str) -> float:
    """Divide the baseline's pictures per second by a server's, repeat by repeat; the median."""
    pairs = zip(_select(cells, baseline, clients), _select(cells, server, clients), strict=True)
    return statistics.median(
        ours.load.throughput_per_s / max(theirs.load.throughput_per_s, 1e-9)
        for ours, theirs in pairs
    )


def format_rates(cells: Sequence[Cell], clients: int) -> list[str]:
    """Lay out the loads of so many clients, a row for each server, the first one the baseline."""
    servers = list(dict.fromkeys(cell.server for cell in cells))
    rows = [_format_rate(cells, server, clients, servers[0]) for server in servers]
    return [f"## {clients} client{'s' * (clients > 1)}", "", *format_table(RATE_HEADS, rows), ""]


def _format_rate(cells: Sequence[Cell], server: str, clients: int, baseline: str) -> list[str]:
    loads = [cell.load for cell in _select(cells, server, clients)]
    rates = [load.throughput_per_s for load in loads]
    errors = sum((Counter(load.errors) for load in loads), Counter())
    return [
        server,
        f"{statistics.median(rates):.1f}",
        f"{min(rates):.1f} to {max(rates):.1f}",
        f"{compute_ratio(cells, server, clients, baseline):.2f}",
        _median(loads, lambda load: load.p50_ms),
        _median(loads, lambda load: load.p99_ms),
        _median(loads, lambda load: load.health_p50_ms),
        _median(loads, lambda load: load.health_p99_ms),
        f"{statistics.median(load.server_cpu_ms_per_request or 0.0 for load in loads):.2f}",
        ", ".join(f"{fault}: {count}" for fault, count in errors.items()) or "0",
        str(sum(load.health_failures for load in loads)),
    ]


def _median(loads: Sequence[LoadReport], read: Callable[[LoadReport], float]) -> str:
    return f"{statistics.median(read(load) for load in loads):.1f}"


def format_rest(cells: Sequence[Cell], candidates: Sequence[Candidate], clients: int) -> list[str]:
    """Lay out start, memory after a load of so many clients, agreement and setup."""
    rows = [_format_candidate(cells, candidate, clients) for candidate in candidates]
    return ["## Start, memory and setup", "", *format_table(REST_HEADS, rows), ""]


def _format_candidate(cells: Sequence[Cell], candidate: Candidate, clients: int) -> list[str]:
    loaded = _select(cells, candidate.server, clients)
    starts_s = [cell.start_s for cell in cells if cell.server == candidate.server]
    return [
        candidate.server,
        f"{statistics.median(starts_s):.2f}",
        f"{statistics.median(cell.pss_mib for cell in loaded):.0f}",
        f"{statistics.median(len(cell.load.processes) for cell in loaded):.0f}",
        f"{candidate.agreement:.3f}",
        candidate.setup,
    ]


def format_trials(trials: Sequence[Trial]) -> list[str]:
    """Lay out which setups were tried, the best of each server first."""
    servers = list(dict.fromkeys(trial.server for trial in trials))
    ordered = sorted(trials, key=lambda trial: (servers.index(trial.server), -trial.rate_per_s))
    rows = [
        [trial.server, trial.setup, f"{trial.rate_per_s:.1f}", str(trial.errors)]
        for trial in ordered
    ]
    heads = ("server", "setup", "pictures/s", "errors")
    return ["## Setups tried, at 10 clients", "", *format_table(heads, rows), ""]


def format_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table whose first column is text."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _select(cells: Sequence[Cell], server: str, clients: int) -> list[Cell]:
    return [cell for cell in cells if (cell.server, cell.clients) == (server, clients)]
