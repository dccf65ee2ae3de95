"""Reports of the workers of several machines, through Redis or Valkey."""

from collections.abc import Sequence
from typing import Any

from topfive.machine.processes import ProcessId
from topfive.registry.reports import Reports, WorkerReport, format_report, parse_report
from topfive.registry.state_stores import telling_outages

# A machine that is lost counts for so long.
_KEPT_S = 5
_SCAN_AT_ONCE = 100


class MachineReports:
    """Reports of this machine in a folder, and those of all machines in Redis beside it.

    A machine's own workers are known by the folder, in which one that has ended is seen at once.
    `machine` tells machines apart.
    """

    refresh_s = _KEPT_S / 3

    def __init__(self, own: Reports, client: Any, prefix: str, machine: str) -> None:
        self._own = own
        self._client = client
        self._prefix = prefix
        self._machine = machine

    def write(self, report: WorkerReport) -> None:
        """Leave this worker's report here and there; raises StateUnavailable if not there."""
        self._own.write(report)
        with telling_outages():
            self._client.set(self._key(report.process), self._format(report), ex=_KEPT_S)

    def withdraw(self, process: ProcessId) -> None:
        """Take a worker's report away; where Redis is away, it is forgotten after seconds."""
        self._own.withdraw(process)
        with telling_outages():
            self._client.delete(self._key(process))

    def live(self) -> Sequence[WorkerReport]:
        """Read the reports of all workers that run, those of this machine first."""
        with telling_outages():
            keys = self._client.scan_iter(match=f"{self._prefix}*", count=_SCAN_AT_ONCE)
            texts = self._client.mget(found) if (found := sorted(keys)) else []
        reports = [parse_report(text) for text in texts if text is not None]
        others = [one for one in reports if one is not None and one.machine != self._machine]
        return [*self._own.live(), *others]

    def ended(self) -> Sequence[WorkerReport]:
        """Read the reports of workers of this machine that have ended."""
        return self._own.ended()

    def _key(self, process: ProcessId) -> str:
        return f"{self._prefix}{self._machine}:{process}"

    def _format(self, report: WorkerReport) -> bytes:
        return format_report(report.on(self._machine))
