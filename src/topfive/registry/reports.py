"""What every worker tells the others of its models: a small file each, in a folder they share."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from topfive.machine.processes import ProcessId, is_running
from topfive.predictions import ModelRef
from topfive.registry.atomic_file import write_atomically
from topfive.registry.status import ModelState

# Before its first models are loaded a worker has reached nothing.
NOTHING_REACHED = -1


@dataclass(frozen=True, slots=True)
class ModelReport:
    """How one worker has one version: its state and the reason for it, its memory and engine."""

    ref: ModelRef
    state: str
    reason: str | None = None
    memory_bytes: int | None = None
    engine: str | None = None
    precision: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How one worker stands.

    `reached` is the generation that it has carried out: all that was wanted is ready, or in
    `refused` (by the generation of the change that needed it, with the reason in public words), or
    in `missing`, which is tried again. `loading` is what it loads now, `evicted` what it has
    unloaded to make room. `machine` is empty for this one.
    """

    process: ProcessId
    reached: int = NOTHING_REACHED
    loading: ModelRef | None = None
    seen: int = NOTHING_REACHED
    refused: Mapping[int, str] = field(default_factory=dict)
    missing: frozenset[ModelRef] = frozenset()
    evicted: frozenset[ModelRef] = frozenset()
    models: tuple[ModelReport, ...] = ()
    machine: str = ""

    def on(self, machine: str) -> "WorkerReport":
        """Return this report as that of a worker of another machine."""
        return replace(self, machine=machine)


class Reports(Protocol):
    """Where workers leave their reports, which must be written again every `refresh_s` seconds."""

    @property
    def refresh_s(self) -> float:
        """After how many seconds an unchanged report is written again."""
        ...

    def write(self, report: WorkerReport) -> None:
        """Leave this worker's report in place of its former one."""
        ...

    def withdraw(self, process: ProcessId) -> None:
        """Take a worker's report away: it no longer counts."""
        ...

    def live(self) -> Sequence[WorkerReport]:
        """Read the reports of all workers that run, the oldest worker first."""
        ...

    def ended(self) -> Sequence[WorkerReport]:
        """Read the reports of workers of this machine that have ended without taking them away."""
        ...


class ReportFolder:
    """Reports in a folder that the workers of one machine share."""

    refresh_s = inf

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, report: WorkerReport) -> None:
        """Leave this worker's report; raises OSError if it cannot be written."""
        write_atomically(self._path(report.process), format_report(report))

    def withdraw(self, process: ProcessId) -> None:
        """Take a worker's report away, where there is one."""
        with suppress(OSError):
            self._path(process).unlink(missing_ok=True)

    def live(self) -> Sequence[WorkerReport]:
        """Read the reports of all workers that run, the oldest worker first."""
        return [one for one in self._read_all() if is_running(one.process)]

    def ended(self) -> Sequence[WorkerReport]:
        """Read the reports of workers that have ended without taking them away."""
        return [one for one in self._read_all() if not is_running(one.process)]

    def _read_all(self) -> list[WorkerReport]:
        found = [_read(path) for path in self._folder.glob("worker-*.json")]
        return sorted((one for one in found if one), key=lambda one: one.process.order)

    def _path(self, process: ProcessId) -> Path:
        return self._folder / f"worker-{process}.json"


class OwnReports:
    """Stands in where one worker is alone: it reads what it has written."""

    refresh_s = inf

    def __init__(self) -> None:
        self._reports: dict[ProcessId, WorkerReport] = {}

    def write(self, report: WorkerReport) -> None:
        """Keep the report."""
        self._reports[report.process] = report

    def withdraw(self, process: ProcessId) -> None:
        """Forget the report."""
        self._reports.pop(process, None)

    def live(self) -> Sequence[WorkerReport]:
        """Return what was written last."""
        return tuple(self._reports.values())

    def ended(self) -> Sequence[WorkerReport]:
        """Return nothing: when this process ends, so does all of it."""
        return ()


def format_report(report: WorkerReport) -> bytes:
    """Write a report as JSON."""
    return _REPORT.dump_json(report)


def parse_report(text: bytes) -> WorkerReport | None:
    """Read a report from JSON; None where it is none."""
    with suppress(ValidationError):
        report = _REPORT.validate_json(text)
        # Another release on another machine may know more states: then it is of no use here.
        return report if {one.state for one in report.models} <= _STATES else None
    return None


_REPORT = TypeAdapter(WorkerReport)
_STATES = frozenset(state.value for state in ModelState)


def _read(path: Path) -> WorkerReport | None:
    try:
        return parse_report(path.read_bytes())
    except OSError:
        # Its worker has just taken it away.
        return None
