"""What is told of models and routes: what all workers report, put together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from topfive.models import ModelView, RouteView, WorkerView
from topfive.predictions import ModelRef
from topfive.registry.reports import ModelReport, WorkerReport
from topfive.registry.state import DesiredState
from topfive.registry.status import ModelState, ModelStatus

# Of workers that differ, what the first of these that one has says of all.
_TELLING = (ModelState.LOADING, ModelState.FAILED, ModelState.DRAINING)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is desired, how all workers stand, and the routes in force."""

    state: DesiredState
    reports: Sequence[WorkerReport]
    routes: Mapping[str, RouteView]

    def view(self, status: ModelStatus) -> ModelView:
        """Tell of one version, of which this worker has `status`, as all workers have it."""
        held = [_find(report, status.ref) for report in self.reports]
        known = next((one for one in held if one and one.engine), None)
        workers = tuple(_worker_views(held))
        state, reason = self._sum_up(status, workers)
        return ModelView(
            name=status.ref.name,
            version=status.ref.version,
            digest=status.digest,
            architecture=status.architecture,
            num_classes=status.num_classes,
            state=state,
            reason=reason,
            is_active=self._is_active(status),
            is_pinned=status.is_pinned,
            routes=tuple(self._aliases(status)),
            memory_bytes=known.memory_bytes if known else None,
            engine=known.engine if known else None,
            precision=known.precision if known else None,
            metrics=status.metrics,
            workers=workers if self._disagree(status.ref, workers) else (),
        )

    def _sum_up(self, status: ModelStatus, workers: Sequence[WorkerView]) -> tuple[str, str | None]:
        """Find one state for all workers, and the reason for it."""
        if not workers:
            return status.state.value, status.reason
        states = {one.state for one in workers}
        if states == {ModelState.AVAILABLE} and status.ref in self.state.wanted:
            return ModelState.LOADING.value, None
        if len(states) == 1:
            return workers[0].state, workers[0].reason
        for state in _TELLING:
            if state in states:
                return state.value, next(one.reason for one in workers if one.state == state)
        # Some have it and some do not: they are about to get it, or to give it up.
        is_coming = self._is_active(status) or status.ref in self.state.wanted or status.is_pinned
        return (ModelState.LOADING if is_coming else ModelState.DRAINING).value, None

    def _disagree(self, ref: ModelRef, workers: Sequence[WorkerView]) -> bool:
        states = {one.state for one in workers}
        is_over = states == {ModelState.FAILED, ModelState.AVAILABLE}
        return len(states) > 1 and not (is_over and ref not in self.state.wanted)

    def _is_active(self, status: ModelStatus) -> bool:
        ordered = self.state.active.get(status.ref.name)
        return status.is_active if ordered is None else ordered == status.ref.version

    def _aliases(self, status: ModelStatus) -> Iterable[str]:
        is_active = self._is_active(status)
        for alias, route in self.routes.items():
            versions = {one.version for one in route.targets if one.model == status.ref.name}
            if status.ref.version in versions or (is_active and None in versions):
                yield alias


def _find(report: WorkerReport, ref: ModelRef) -> ModelReport | None:
    return next((one for one in report.models if one.ref == ref), None)


def _worker_views(held: Sequence[ModelReport | None]) -> Iterable[WorkerView]:
    for number, one in enumerate(held, start=1):
        state = one.state if one else ModelState.AVAILABLE.value
        yield WorkerView(number, state, one.reason if one else None)
