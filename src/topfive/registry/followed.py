"""The models of one worker as its follower changes them: those of the registry, and the routes."""

from collections.abc import Callable, Mapping

from topfive.errors import Failure, ModelBusy, ModelRefused, OperatorError
from topfive.models import RouteView
from topfive.predictions import ModelRef
from topfive.registry.refusals import explain_refusal
from topfive.registry.registry import Registry
from topfive.registry.reports import ModelReport
from topfive.registry.state import DesiredState, routed_versions, unnamed_models
from topfive.registry.status import ModelState, ModelStatus

Routes = Mapping[str, RouteView]


class FollowedModels:
    """What a follower does to a registry.

    `routes` are those of the settings, `replace_routes` puts others into force. `on_loaded` is told
    of each version that was loaded, `on_failed` of the cause where one cannot be.
    """

    def __init__(
        self,
        registry: Registry,
        routes: Routes,
        replace_routes: Callable[[Routes], None],
        on_loaded: Callable[[ModelRef], None],
        on_failed: Callable[[ModelRef, Exception], None],
    ) -> None:
        self._registry = registry
        self._routes = routes
        self._replace_routes = replace_routes
        self._on_loaded = on_loaded
        self._on_failed = on_failed

    def ready(self) -> frozenset[ModelRef]:
        """List the versions that can be leased."""
        held = self._registry.held()
        return frozenset(one.ref for one in held if one.state is ModelState.READY)

    def load(self, ref: ModelRef) -> None:
        """Load a version; raises ModelRefused, or TimeoutError while it is being loaded already."""
        try:
            self._registry.load(ref)
        except ModelBusy as error:
            raise TimeoutError from error
        except Failure as error:
            self._refuse(ref, error, f"{ref.name} {ref.version} is not here.")
        except OperatorError as error:
            self._refuse(ref, error, f"{ref.name} {ref.version}: {explain_refusal(error)}")
        else:
            self._on_loaded(ref)

    def follow(self, state: DesiredState) -> None:
        """Switch to the active versions and routes of a state, and unload what it does not want."""
        routes = {**self._routes, **state.routes}
        self._registry.hold(kept=state.wanted, routed=self._routed(routes, state.active))
        for ref in state.active_versions & self.ready():
            self._registry.activate(ref)
        self._replace_routes(routes)
        self._registry.keep_only(state.wanted)

    def describe(self) -> tuple[ModelReport, ...]:
        """Tell how each version stands that is not merely available."""
        return tuple(_report(one) for one in self._registry.held())

    def _refuse(self, ref: ModelRef, error: Exception, reason: str) -> None:
        if ref.name == self._registry.desired:
            self._registry.explain(reason)
        self._on_failed(ref, error)
        raise ModelRefused(reason) from error

    def _routed(self, routes: Routes, active: Mapping[str, str]) -> frozenset[ModelRef]:
        """List the versions that routes lead to; a model's active one where none is named."""
        meant = {
            name: active.get(name) or self._registry.active(name) for name in unnamed_models(routes)
        }
        named = {ModelRef(name, version) for name, version in meant.items() if version}
        return routed_versions(routes) | named


def _report(status: ModelStatus) -> ModelReport:
    return ModelReport(
        status.ref,
        status.state.value,
        status.reason,
        status.memory_bytes,
        status.engine,
        status.precision,
    )
