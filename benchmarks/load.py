"""Send a bounded load of uploads to a topfive on this machine and measure how it answers.

python benchmarks/load.py --url http://127.0.0.1:5000 --photos DIR --clients 10 --requests 2000
"""

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from probe import ProbeResult, percentile, probing
from process_tree import ProcessStat, ProcessUse, compare_trees, read_tree, total_cpu_ms
from uploads import DEFAULT_PHOTOS, build_request, list_photos, parse_local_url

MAX_CLIENTS = 256
MAX_REQUESTS = 100_000
MAX_DURATION_S = 600.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send, where to, and which process tree to watch (None: no CPU and memory)."""

    url: str
    photos: Path
    limits: LoopLimits
    warmup_requests: int = 20
    probe_interval_s: float = 0.05
    server_pid: int | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The figures of one run; latencies are of right answers only."""

    clients: int
    answered: int
    errors: dict[str, int]
    duration_s: float
    throughput_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    health_asked: int
    health_failures: int
    health_missed: int
    health_p50_ms: float
    health_p99_ms: float
    health_max_ms: float
    generator_cpu_ms_per_request: float
    server_cpu_ms_per_request: float | None
    processes: list[ProcessUse]

    @property
    def workers(self) -> list[ProcessUse]:
        """The processes of the server that have no children of their own."""
        return [process for process in self.processes if process.is_worker]


def check_limits(limits: LoopLimits) -> None:
    """Refuse a run without sane bounds."""
    bounds = (
        ("clients", limits.clients, MAX_CLIENTS),
        ("requests", limits.requests, MAX_REQUESTS),
        ("seconds", limits.duration_s, MAX_DURATION_S),
    )
    for name, value, highest in bounds:
        if not 0 < value <= highest:
            raise ValueError(f"{name} must be more than 0 and at most {highest}, not {value}")


def run_load(plan: LoadPlan) -> LoadReport:
    """Warm the server up, then measure one run."""
    check_limits(plan.limits)
    address = parse_local_url(plan.url)
    requests = [build_request(photo, address) for photo in list_photos(plan.photos)]
    if plan.warmup_requests:
        limits = plan.limits
        warmup = LoopLimits(limits.clients, plan.warmup_requests, 60.0, limits.timeout_s)
        ClosedLoop(address, requests, warmup).run()
    with probing(address, plan.probe_interval_s) as health:
        before, cpu_ms = _read_server(plan), time.process_time() * 1000
        result = ClosedLoop(address, requests, plan.limits).run()
        after, cpu_ms = _read_server(plan), time.process_time() * 1000 - cpu_ms
    return _report(plan, result, health, compare_trees(before, after), cpu_ms, before, after)


def _read_server(plan: LoadPlan) -> dict[int, ProcessStat]:
    return {} if plan.server_pid is None else read_tree(plan.server_pid)


def _report(
    plan: LoadPlan,
    result: LoopResult,
    health: ProbeResult,
    processes: list[ProcessUse],
    generator_cpu_ms: float,
    before: Mapping[int, ProcessStat],
    after: Mapping[int, ProcessStat],
) -> LoadReport:
    asked = max(1, len(result.latencies_ms) + result.errors.total())
    server_cpu_ms = total_cpu_ms(after) - total_cpu_ms(before)
    return LoadReport(
        clients=plan.limits.clients,
        answered=len(result.latencies_ms),
        errors=dict(result.errors),
        duration_s=result.duration_s,
        throughput_per_s=result.throughput_per_s,
        p50_ms=percentile(result.latencies_ms, 50),
        p99_ms=percentile(result.latencies_ms, 99),
        max_ms=percentile(result.latencies_ms, 100),
        health_asked=len(health.latencies_ms) + health.failures,
        health_failures=health.failures,
        health_missed=health.missed,
        health_p50_ms=percentile(health.latencies_ms, 50),
        health_p99_ms=percentile(health.latencies_ms, 99),
        health_max_ms=percentile(health.latencies_ms, 100),
        generator_cpu_ms_per_request=(generator_cpu_ms + health.cpu_ms) / asked,
        server_cpu_ms_per_request=server_cpu_ms / asked if after else None,
        processes=processes,
    )


def to_json(report: LoadReport) -> str:
    """Write a report as JSON; a percentile of nothing becomes null."""
    fields = {name: _drop_nan(value) for name, value in asdict(report).items()}
    return json.dumps(fields, indent=2, allow_nan=False)


def _drop_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def format_report(report: LoadReport) -> str:
    """Lay a report out for a reader."""
    lines = [_format_answers(report)]
    if report.health_asked:
        lines.append(_format_health(report))
    lines.append(f"generator CPU {report.generator_cpu_ms_per_request:.2f} ms per request")
    if report.server_cpu_ms_per_request is not None:
        lines.append(f"server CPU {report.server_cpu_ms_per_request:.2f} ms per request")
    lines.extend(_format_process(process) for process in report.processes)
    return "\n".join(lines)


def _format_answers(report: LoadReport) -> str:
    return (
        f"{report.answered} answers in {report.duration_s:.2f} s from {report.clients} clients: "
        f"{report.throughput_per_s:.1f}/s; errors: {report.errors or 'none'}\n"
        f"/predict p50 {report.p50_ms:.1f}, p99 {report.p99_ms:.1f}, max {report.max_ms:.1f} ms"
    )


def _format_health(report: LoadReport) -> str:
    return (
        f"/health p50 {report.health_p50_ms:.1f}, p99 {report.health_p99_ms:.1f}, "
        f"max {report.health_max_ms:.1f} ms; asked {report.health_asked}, "
        f"failed {report.health_failures}, missed turns {report.health_missed}"
    )


def _format_process(process: ProcessUse) -> str:
    role = "worker" if process.is_worker else "parent"
    return (
        f"  {role} {process.pid} ({process.name}): CPU {process.cpu_ms:.0f} ms, "
        f"PSS {process.pss_mib:.1f} MiB, RSS {process.rss_mib:.1f} MiB"
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=120.0, help="send nothing new after it")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one answer")
    parser.add_argument("--warmup", type=int, default=20, help="requests before measuring")
    parser.add_argument("--probe-ms", type=float, default=50.0, help="between probes; 0: none")
    parser.add_argument("--new-connections", action="store_true", help="no keep-alive")
    parser.add_argument("--server-pid", type=int, help="the server's parent process")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure one run from the command line."""
    given = _parse_arguments()
    limits = LoopLimits(
        given.clients, given.requests, given.seconds, given.timeout, not given.new_connections
    )
    plan = LoadPlan(
        given.url, given.photos, limits, given.warmup, given.probe_ms / 1000, given.server_pid
    )
    try:
        report = run_load(plan)
    except (ValueError, FileNotFoundError, ProcessLookupError) as error:
        raise SystemExit(f"load: {error}") from error
    print(to_json(report) if given.json else format_report(report))


if __name__ == "__main__":
    main()
