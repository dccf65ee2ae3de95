"""What becomes of the orders under way, by what all workers report; no waiting here, no writing."""

from collections.abc import Sequence

from topfive.registry.reports import WorkerReport
from topfive.registry.state import Change, DesiredState, union

# Even many workers that load a large model one after the other take less.
CHANGE_WITHIN_S = 600.0
# A worker may end by chance while it loads; a second one hardly does.
_MOST_DEATHS = 1


def is_settled(state: DesiredState, reports: Sequence[WorkerReport]) -> bool:
    """Tell whether no order is under way, and every worker has just what is desired."""
    if state.changes or not reports:
        return False
    return all(one.reached == state.generation and not one.missing for one in reports)


def settle(state: DesiredState, reports: Sequence[WorkerReport], now_s: float) -> DesiredState:
    """Commit each change that all workers have ready, and drop each that one of them refuses.

    What a worker has unloaded to make room is no longer desired. `now_s` is in seconds since 1970.
    """
    for change in state.changes:
        reason = find_refusal(change, reports, now_s)
        if reason:
            state = state.drop(change, reason)
        elif reports and all(one.reached >= change.generation for one in reports):
            state = state.commit(change)
    return state.forget(union(one.evicted for one in reports))


def count_deaths(state: DesiredState, ended: Sequence[WorkerReport]) -> DesiredState:
    """Note in the changes under way which workers have ended while they loaded for them."""
    for report in ended:
        for change in state.changes:
            if report.loading in change.needs and report.seen >= change.generation:
                state = state.note_death(change, str(report.process))
    return state


def find_refusal(change: Change, reports: Sequence[WorkerReport], now_s: float) -> str:
    """Say in public words why a change must be given up; nothing if it need not."""
    for report in reports:
        if change.generation in report.refused:
            return report.refused[change.generation]
    if len(change.deaths) > _MOST_DEATHS:
        return "Workers ended while they loaded it: it may need more memory than there is."
    if now_s - change.began_s > CHANGE_WITHIN_S:
        return f"Not every worker had it ready within {CHANGE_WITHIN_S:g} s."
    return ""
