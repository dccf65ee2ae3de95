"""The state of models and routes that all workers follow, and how an order changes it.

Nothing here waits, writes or loads: each method returns the state that comes after this one, under
a higher generation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from topfive.errors import ModelBusy, StateUnavailable
from topfive.models import RouteView, ShadowView, TargetView
from topfive.predictions import ModelRef
from topfive.registry.routes import check_alias, check_route

# So many refused orders are remembered, so that whoever waits for one learns why.
_REFUSALS_KEPT = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Change:
    """An order that takes effect once every worker has ready what it needs.

    `keeps` stay loaded from then on, `activates` become what their names mean, `routes` replace
    those of the same aliases. `generation` is that under which it began, `began_s` the time in
    seconds since 1970, `deaths` names the processes that have ended while they loaded for it.
    """

    keeps: frozenset[ModelRef] = frozenset()
    activates: frozenset[ModelRef] = frozenset()
    routes: Mapping[str, RouteView] = field(default_factory=dict)
    generation: int = 0
    began_s: float = 0.0
    deaths: frozenset[str] = frozenset()

    @property
    def needs(self) -> frozenset[ModelRef]:
        """The versions that every worker must have ready."""
        return self.keeps | self.activates | routed_versions(self.routes)

    @property
    def subjects(self) -> frozenset[str]:
        """What it is about, of which there is one change at a time: models and routes."""
        models = {f"model {ref.name}" for ref in self.needs}
        return frozenset(models | {f"route {alias}" for alias in self.routes})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An order that was given up: the generation under which it began, and why, in public words."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What all workers are to have; what it does not say is as the settings say.

    `loaded` are kept ready though nothing leads to them, `active` gives the version that a name
    means, `changes` are under way, `refusals` the last orders that were given up, oldest first.
    """

    generation: int = 0
    loaded: frozenset[ModelRef] = frozenset()
    active: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, RouteView] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def active_versions(self) -> frozenset[ModelRef]:
        """The versions that orders have made what their names mean."""
        return frozenset(ModelRef(name, version) for name, version in self.active.items())

    @property
    def kept(self) -> frozenset[ModelRef]:
        """The versions that every worker must have by now."""
        return self.loaded | self.active_versions | routed_versions(self.routes)

    @property
    def wanted(self) -> frozenset[ModelRef]:
        """The versions that every worker has or is to get."""
        return self.kept | union(change.needs for change in self.changes)

    def begin(self, change: Change, now_s: float) -> "DesiredState":
        """Begin a change; raises ModelBusy while another one is about the same."""
        self.require_idle(change.subjects)
        generation = self.generation + 1
        begun = replace(change, generation=generation, began_s=now_s)
        return replace(self, generation=generation, changes=(*self.changes, begun))

    def require_idle(self, subjects: Iterable[str]) -> None:
        """Raise ModelBusy if a change of one of those subjects is under way."""
        busy = self._subjects_under_way().intersection(subjects)
        if busy:
            raise ModelBusy(
                f"Another change of the {min(busy)} is under way. Try again when it is done; "
                "GET /models tells."
            )

    def has(self, change: Change) -> bool:
        """Tell whether a change would change nothing."""
        routes = {alias: self.routes.get(alias) for alias in change.routes}
        return (
            change.keeps <= self.loaded
            and change.activates <= self.active_versions
            and routes == dict(change.routes)
        )

    def commit(self, change: Change) -> "DesiredState":
        """Let a change take effect, which every worker has ready."""
        active = {ref.name: ref.version for ref in change.activates}
        return replace(
            self._without(change),
            loaded=self.loaded | change.keeps,
            active={**self.active, **active},
            routes={**self.routes, **change.routes},
        )

    def drop(self, change: Change, reason: str) -> "DesiredState":
        """Give a change up, and remember why."""
        refusals = (*self.refusals, Refusal(change.generation, reason))[-_REFUSALS_KEPT:]
        return replace(self._without(change), refusals=refusals)

    def note_death(self, change: Change, process: str) -> "DesiredState":
        """Note a worker that has ended while it loaded for a change; once, if told again."""
        noted = replace(change, deaths=change.deaths | {process})
        if noted == change:
            return self
        changes = tuple(noted if one == change else one for one in self.changes)
        return replace(self, generation=self.generation + 1, changes=changes)

    def forget(self, gone: frozenset[ModelRef]) -> "DesiredState":
        """Keep those versions loaded and active no more; the same state if none is."""
        if not gone & (self.loaded | self.active_versions):
            return self
        active = {n: v for n, v in self.active.items() if ModelRef(n, v) not in gone}
        return replace(
            self, generation=self.generation + 1, loaded=self.loaded - gone, active=active
        )

    def set_route(self, alias: str, route: RouteView) -> "DesiredState":
        """Have an alias lead elsewhere at once: for targets that every worker has ready."""
        routes = {**self.routes, alias: route}
        return replace(self, generation=self.generation + 1, routes=routes)

    @property
    def begun_last(self) -> int:
        """The generation of the order that this state has begun; -1 if it began none."""
        begun = [one.generation for one in self.changes if one.generation == self.generation]
        return begun[0] if begun else -1

    def refusal_of(self, generation: int) -> Refusal | None:
        """Find why the order that began under `generation` was given up, if it was."""
        found = (one for one in self.refusals if one.generation == generation)
        return next(found, None)

    def _subjects_under_way(self) -> frozenset[str]:
        return union(change.subjects for change in self.changes)

    def _without(self, change: Change) -> "DesiredState":
        changes = tuple(one for one in self.changes if one.generation != change.generation)
        return replace(self, generation=self.generation + 1, changes=changes)


def union(sets: Iterable[frozenset[Item]]) -> frozenset[Item]:
    """Put sets together."""
    return frozenset(chain.from_iterable(sets))


def routed_versions(routes: Mapping[str, RouteView]) -> frozenset[ModelRef]:
    """List the versions that routes name: of targets with a weight, and of shadows."""
    named = _used(routes)
    return frozenset(ModelRef(one.model, one.version) for one in named if one.version is not None)


def unnamed_models(routes: Mapping[str, RouteView]) -> frozenset[str]:
    """List the models of which routes use the active version."""
    return frozenset(one.model for one in _used(routes) if one.version is None)


def _used(routes: Mapping[str, RouteView]) -> list[TargetView | ShadowView]:
    targets = [one for route in routes.values() for one in route.targets if one.weight > 0]
    return [*targets, *(route.shadow for route in routes.values() if route.shadow)]


_STATE = TypeAdapter(DesiredState)


def format_state(state: DesiredState) -> bytes:
    """Write a state as JSON."""
    return _STATE.dump_json(state, indent=1)


def parse_state(text: bytes, where: str) -> DesiredState:
    """Read a state from JSON; raises StateUnavailable where it is none, and says `where`."""
    try:
        state = _STATE.validate_json(text)
        _check_routes([state.routes, *(change.routes for change in state.changes)])
    except ValidationError as error:
        what = f"{error.error_count()} errors, the first: {error.errors()[0]['msg']}"
        raise _unreadable(where, what) from error
    except ValueError as error:
        raise _unreadable(where, str(error)) from error
    return state


def _check_routes(tables: Iterable[Mapping[str, RouteView]]) -> None:
    """Raise ValueError for a route that could not be ordered: requests could not be answered."""
    for alias, route in chain.from_iterable(table.items() for table in tables):
        check_alias(alias)
        check_route(route)


def _unreadable(where: str, what: str) -> StateUnavailable:
    return StateUnavailable(
        f"{where} does not hold the state of the models: {what}. Delete it, and the settings alone "
        "decide."
    )
