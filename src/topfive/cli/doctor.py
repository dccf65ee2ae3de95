"""`topfive doctor`."""

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec

import click
from rich.console import Console
from rich.table import Table

from topfive import __version__
from topfive.catalog.loader import LoadOptions, load_present
from topfive.engines import engine_candidates
from topfive.errors import OperatorError
from topfive.machine.probe import Machine, probe_machine
from topfive.machine.sizing import Sizing, plan_sizing
from topfive.settings import Settings, read_settings
from topfive.wiring import wanted_model

_TELLING_FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what was found, why it matters."""

    about: str
    found: str
    why: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> None:
    """Show what topfive would choose on this machine, and why.

    The exit code is 1 if the model cannot be loaded as things are.

    \b
    Examples:
      topfive doctor
      TOPFIVE_MODEL=resnet50 topfive doctor --json
    """
    settings = read_settings()
    machine = probe_machine()
    sizing = plan_sizing(machine, settings.sizing_options)
    model, is_fine = _model_finding(settings, machine, sizing)
    findings = [*_machine_findings(machine), *_choice_findings(settings, machine, sizing), model]
    if as_json:
        click.echo(
            json.dumps({one.about: {"found": one.found, "why": one.why} for one in findings})
        )
    else:
        _print_table(findings)
    raise SystemExit(0 if is_fine else 1)


def _machine_findings(machine: Machine) -> list[Finding]:
    quota = "none" if machine.cpu_quota is None else f"{machine.cpu_quota:g} CPUs"
    limit = machine.memory_limit_bytes
    flags = [flag for flag in _TELLING_FLAGS if flag in machine.cpu_flags]
    return [
        Finding("topfive", __version__, ""),
        Finding("processor", machine.cpu_model, f"{os.cpu_count()} CPUs in the machine"),
        Finding("instruction sets", " ".join(flags) or "none known", "bf16 needs native support"),
        Finding("CPUs allowed", str(machine.affinity_cpus), "the affinity mask of this process"),
        Finding("CPU quota", quota, "the cgroup's limit"),
        Finding("memory", f"{machine.usable_memory_bytes // 1024**2} MB",
                "no cgroup limit" if limit is None else "the cgroup's limit"),
    ]  # fmt: skip


def _choice_findings(settings: Settings, machine: Machine, sizing: Sizing) -> list[Finding]:
    torch = "installed" if find_spec("torch") else "not installed"
    workers = f"{sizing.workers} x {sizing.slots}"
    return [
        Finding("torch", torch, "needed to make bundles and for CUDA, not to serve on a CPU"),
        Finding("engine", *_engine_choice(settings, machine)),
        Finding("workers x slots", workers, sizing.reason),
        Finding("queue, threads", f"{sizing.queue}, {sizing.threads} per worker",
                "places to wait; the threads beyond them keep health answering"),
    ]  # fmt: skip


def _engine_choice(settings: Settings, machine: Machine) -> tuple[str, str]:
    try:
        candidates = engine_candidates(settings.engine_options(1), machine.cpu_flags)
    except OperatorError as error:
        return "none", str(error)
    first = candidates[0]
    return f"{first.engine} {first.precision}", first.reason


def _model_finding(settings: Settings, machine: Machine, sizing: Sizing) -> tuple[Finding, bool]:
    how = LoadOptions(
        settings.engine_options(sizing.slots), settings.image_limits, machine.cpu_flags
    )
    try:
        classifier = load_present(wanted_model(settings), how)
    except OperatorError as error:
        return Finding("model", f"{settings.model}: not ready", str(error)), False
    found = f"{classifier.ref.name} {classifier.ref.version}"
    engine = f"{classifier.engine.name} {classifier.engine.precision}"
    classifier.close()
    return Finding("model", found, f"{engine} agrees with the reference"), True


def _print_table(findings: list[Finding]) -> None:
    table = Table(show_header=True, header_style="bold")
    for column in ("what", "found", "why"):
        table.add_column(column, overflow="fold")
    for one in findings:
        table.add_row(one.about, one.found, one.why)
    Console().print(table)
