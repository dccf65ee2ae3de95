"""Orders about models and routes: checked here, written down, and followed by all workers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic, sleep, time
from typing import TypeVar

from topfive.bundles.versions import ModelReference, check_version
from topfive.errors import (
    InvalidParameter,
    ModelBusy,
    ModelNotFound,
    ModelRefused,
    ModelUnavailable,
    OperatorError,
    StateUnavailable,
)
from topfive.models import (
    ModelsView,
    ModelView,
    OrderResult,
    RouteView,
    ShadowView,
    TargetView,
    VersionsView,
)
from topfive.predictions import ModelRef
from topfive.registry.follower import Follower
from topfive.registry.refusals import explain_refusal
from topfive.registry.registry import Registry
from topfive.registry.reports import Reports
from topfive.registry.routes import DEFAULT_ALIAS, check_alias, check_route
from topfive.registry.settling import is_settled
from topfive.registry.state import Change, DesiredState, routed_versions, unnamed_models
from topfive.registry.state_stores import StateStore, Step, newest
from topfive.registry.status import ModelState
from topfive.service.model_views import Outlook

Used = TypeVar("Used", TargetView, ShadowView)

_LOOK_EVERY_S = 0.1
_RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class OrderLinks:
    """What orders are given through: where the state and the reports lie, and who is told.

    `routes` are those of the settings. `is_over` tells that the service is about to end, and nobody
    should wait; `on_lost` is told why an order could not be written down.
    """

    store: StateStore
    reports: Reports
    follower: Follower
    routes: Mapping[str, RouteView]
    is_over: Callable[[], bool]
    on_lost: Callable[[StateUnavailable], None]


class Orders:
    """Tells how all workers have models and routes, and takes orders about them."""

    def __init__(self, registry: Registry, links: OrderLinks) -> None:
        self._registry = registry
        self._links = links

    def list_models(self) -> ModelsView:
        """Tell all known models, and the routes."""
        outlook = self._look()
        models = tuple(outlook.view(one) for one in self._registry.statuses())
        settled = is_settled(outlook.state, outlook.reports)
        return ModelsView(outlook.state.generation, settled, models, outlook.routes)

    def list_versions(self, name: str) -> VersionsView:
        """Tell all known versions of one name; raises ModelNotFound."""
        found = {one.version: one for one in self.list_models().models if one.name == name}
        ranked = [ref.version for ref in self._registry.versions(name)]
        order = [*ranked, *(one for one in found if one not in ranked)]
        versions = tuple(found[one] for one in order if one in found)
        if not versions:
            raise self._not_found(name, None)
        active = next((one.version for one in versions if one.is_active), None)
        return VersionsView(name, active, versions[0].version, versions)

    def find_model(self, name: str, version: str) -> ModelView:
        """Tell one version of a model; raises ModelNotFound."""
        return self._view(self._find(name, version))

    def load(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Have every worker load a version, and keep it loaded.

        The first of a name is activated, the default model's apart, which settings mean.
        Raises ModelNotFound, ModelBusy, ModelRefused, InvalidParameter, and ModelUnavailable where
        the order could not be written down.
        """
        ref = self._require_loadable(name, version)
        is_first = name not in {self._registry.desired, *(one.name for one in self._ready())}
        activates = frozenset({ref} if is_first else ())
        return self._order_model(ref, Change(frozenset({ref}), activates), wait_s)

    def activate(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Make a version the one that its name means, once every worker has it; raises as `load`.

        The one that was is unloaded after its last request, unless it is kept, routed or named by
        settings.
        """
        ref = self._require_loadable(name, version)
        return self._order_model(ref, Change(activates=frozenset({ref})), wait_s)

    def unload(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Have every worker unload a version after its last request; raises ModelBusy if in use."""
        ref = self._find_kept(name, version)

        def forget(state: DesiredState) -> DesiredState:
            state.require_idle({f"model {name}"})
            self._require_unused(ref, state)
            return state.forget(frozenset({ref}))

        return self._tell_model(ref, self._give(forget), wait_s)

    def set_route(self, alias: str, route: RouteView, wait_s: float = 0) -> OrderResult:
        """Have an alias lead elsewhere, once every worker has its targets; raises as `load`."""
        exact = replace(
            route,
            targets=tuple(self._exact(one) for one in route.targets),
            shadow=self._exact(route.shadow) if route.shadow else None,
            rolled_back=(),
        )
        with _as_parameter("route"):
            check_alias(alias)
            check_route(exact)
        routes = {alias: exact}
        change = Change(activates=self._unloaded_meanings(routes), routes=routes)
        for ref in change.needs:
            self._require_loadable(ref.name, ref.version)
        generation, settled = self._await(self._give(self._begin(change)), wait_s)
        return OrderResult(generation, settled, route=self._look().routes.get(alias, exact))

    def change_route(self, alias: str, step: Callable[[RouteView], RouteView]) -> bool:
        """Change a route at once, for targets that every worker has; tells whether it changed."""
        changed = False

        def change(state: DesiredState) -> DesiredState:
            nonlocal changed
            route = self._routes(state)[alias]
            after = step(route)
            changed = after != route
            return state.set_route(alias, after) if changed else state

        self._give(change)
        return changed

    def _order_model(self, ref: ModelRef, change: Change, wait_s: float) -> OrderResult:
        return self._tell_model(ref, self._give(self._begin(change)), wait_s)

    def _begin(self, change: Change) -> Step:
        def begin(state: DesiredState) -> DesiredState:
            state.require_idle(change.subjects)
            is_done = state.has(change) or self._is_so_by_settings(change, state)
            return state if is_done else state.begin(change, time())

        return begin

    def _is_so_by_settings(self, change: Change, state: DesiredState) -> bool:
        """Tell whether a change only activates what is active without any order."""
        if change.keeps or change.routes:
            return False
        ready = [one for one in self._registry.held() if one.state is ModelState.READY]
        active = {one.ref for one in ready if one.is_active and one.ref.name not in state.active}
        return change.activates <= active

    def _give(self, step: Step) -> DesiredState:
        try:
            return self._links.store.change(step, self._links.follower.state)
        except StateUnavailable as error:
            self._links.on_lost(error)
            raise ModelUnavailable(
                "The order could not be written down, and nothing has changed. Try again; the "
                "service's log says more.",
                retry_after_s=_RETRY_AFTER_S,
            ) from error

    def _tell_model(self, ref: ModelRef, ordered: DesiredState, wait_s: float) -> OrderResult:
        generation, settled = self._await(ordered, wait_s)
        return OrderResult(generation, settled, model=self._look_up(ref))

    def _await(self, ordered: DesiredState, wait_s: float) -> tuple[int, bool]:
        """Wait until every worker has followed; raises ModelRefused where the order is dropped."""
        begun, end_s = ordered.begun_last, monotonic() + wait_s
        while True:
            outlook = self._look()
            refusal = outlook.state.refusal_of(begun)
            if refusal:
                raise ModelRefused(refusal.reason)
            settled = is_settled(outlook.state, outlook.reports)
            if settled or monotonic() >= end_s or self._links.is_over():
                return outlook.state.generation, settled
            sleep(_LOOK_EVERY_S)

    def _look(self) -> Outlook:
        """Read how all stand; what cannot be read is as this worker knows it, and not settled."""
        known = self._links.follower.state
        try:
            state, reports = newest(self._links.store.read(), known), self._links.reports.live()
        except StateUnavailable:
            state, reports = known, ()
        return Outlook(state, reports, self._routes(state))

    def _routes(self, state: DesiredState) -> dict[str, RouteView]:
        default = RouteView((TargetView(self._registry.desired, None, 100),))
        return {DEFAULT_ALIAS: default, **self._links.routes, **state.routes}

    def _view(self, ref: ModelRef) -> ModelView:
        found = self._look_up(ref)
        if found is None:
            raise self._not_found(ref.name, ref.version)
        return found

    def _look_up(self, ref: ModelRef) -> ModelView | None:
        outlook = self._look()
        found = (one for one in self._registry.statuses() if one.ref == ref)
        return next((outlook.view(status) for status in found), None)

    def _find_kept(self, name: str, version: str) -> ModelRef:
        """Find a version, also one whose bundle is gone while the state still keeps it loaded."""
        try:
            return self._find(name, version)
        except ModelNotFound:
            exact = ModelRef(name, version)
            if exact in self._look().state.kept:
                return exact
            raise

    def _find(self, name: str, version: str) -> ModelRef:
        exact = ModelRef(name, version)
        if any(one.ref == exact for one in self._registry.statuses()):
            return exact
        with _as_parameter("version"):
            check_version(version)
        return self._registry.find(ModelReference(name, version))

    def _require_loadable(self, name: str, version: str) -> ModelRef:
        with _as_parameter("version"):
            check_version(version)
        try:
            return self._registry.require_loadable(ModelReference(name, version))
        except OperatorError as error:
            raise ModelRefused(f"{name} {version}: {explain_refusal(error)}") from error

    def _require_unused(self, ref: ModelRef, state: DesiredState) -> None:
        self._registry.require_unused(ref)
        told = f"{ref.name} {ref.version}"
        if ref in routed_versions(state.routes):
            raise ModelBusy(f"A route leads to {told}. Change the route first.")
        others = any(one.name == ref.name and one != ref for one in state.kept)
        if ref in state.active_versions and (others or ref.name == self._registry.desired):
            raise ModelBusy(f"{told} is the active version. Activate another one first.")

    def _exact(self, used: Used) -> Used:
        """Put the version in place of `latest` or a digest; raises ModelNotFound."""
        found = self._registry.find(ModelReference(used.model, used.version))
        return used if used.version is None else replace(used, version=found.version)

    def _unloaded_meanings(self, routes: Mapping[str, RouteView]) -> frozenset[ModelRef]:
        """List the versions that routes need by their models' names alone, and nobody has yet."""
        names = unnamed_models(routes)
        meant = {self._registry.find(ModelReference(name)) for name in names}
        return frozenset(meant - self._ready())

    def _ready(self) -> frozenset[ModelRef]:
        held = self._registry.held()
        return frozenset(one.ref for one in held if one.state is ModelState.READY)

    def _not_found(self, name: str, version: str | None) -> ModelNotFound:
        try:
            self._registry.find(ModelReference(name, version))
        except ModelNotFound as error:
            return error
        return ModelNotFound("There is no such model here.")


@contextmanager
def _as_parameter(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidParameter(f"The {what} cannot be one: {error}.") from error
