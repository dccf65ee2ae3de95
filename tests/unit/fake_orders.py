"""Models, routes and orders about them as a test says they are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from topfive.errors import Failure, ModelNotFound
from topfive.models import ModelsView, ModelView, OrderResult, RouteView, TargetView, VersionsView

FIRST = ModelView(
    name="flowers",
    version="1",
    digest="a" * 64,
    architecture="mobilenet_v2",
    num_classes=102,
    state="ready",
    is_active=True,
    is_pinned=True,
    routes=("default",),
    memory_bytes=60_000_000,
    engine="openvino",
    precision="f32",
    metrics={"imagenet_top1": 71.9},
)
SECOND = ModelView(
    name="flowers",
    version="2",
    digest="b" * 64,
    architecture="mobilenet_v2",
    num_classes=102,
    state="available",
)
ROUTE = RouteView((TargetView("flowers", None, 100),))


class FakeOrders:
    """Knows versions 1 and 2 of `flowers`, notes what is ordered, and fails where told to."""

    def __init__(self) -> None:
        self.models = [SECOND, FIRST]
        self.routes: dict[str, RouteView] = {"default": ROUTE}
        self.generation = 7
        self.is_settled = True
        self.ordered: list[tuple[Any, ...]] = []
        self.failure: Failure | None = None
        self.while_ordering: Callable[[], object] = lambda: None

    def list_models(self) -> ModelsView:
        """Tell all."""
        return ModelsView(self.generation, self.is_settled, tuple(self.models), self.routes)

    def list_versions(self, name: str) -> VersionsView:
        """Tell the versions of `flowers`."""
        found = tuple(one for one in self.models if one.name == name)
        if not found:
            raise ModelNotFound("No model of that name is known here. Did you mean flowers?")
        active = next((one.version for one in found if one.is_active), None)
        return VersionsView(name, active, found[0].version, found)

    def find_model(self, name: str, version: str) -> ModelView:
        """Tell one."""
        for one in self.list_versions(name).versions:
            if version in (one.version, f"sha256:{one.digest}"):
                return one
        raise ModelNotFound("The model flowers has no such version. Known are 2 and 1.")

    def load(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Load at once."""
        return self._order("load", name, version, wait_s, state="ready")

    def activate(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Activate at once."""
        return self._order("activate", name, version, wait_s, state="ready", is_active=True)

    def unload(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Unload at once."""
        return self._order("unload", name, version, wait_s, state="available")

    def set_route(self, alias: str, route: RouteView, wait_s: float = 0) -> OrderResult:
        """Route at once."""
        self._note("set_route", alias, route, wait_s)
        self.routes[alias] = route
        return OrderResult(self.generation, self.is_settled, route=route)

    def _order(
        self, what: str, name: str, version: str, wait_s: float, **changes: Any
    ) -> OrderResult:
        model = self.find_model(name, version)
        self._note(what, name, version, wait_s)
        changed = replace(model, **changes)
        self.models[self.models.index(model)] = changed
        return OrderResult(self.generation, self.is_settled, model=changed)

    def _note(self, *order: Any) -> None:
        self.while_ordering()
        if self.failure:
            raise self.failure
        self.ordered.append(order)
        self.generation += 1
