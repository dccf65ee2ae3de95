"""The routes that a worker begins with."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from topfive.bundles.versions import ModelReference
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import Failure, ModelUnavailable
from topfive.machine.idle import measure_idle_cpus
from topfive.models import RollbackView, RouteView, TargetView
from topfive.predictions import ModelRef
from topfive.registry.canary import CanaryWatch
from topfive.registry.registry import Registry
from topfive.registry.routes import references, roll_back
from topfive.registry.shadow import Shadows
from topfive.service import Routing, Service
from topfive.service.orders import Orders
from topfive.settings import Settings
from topfive.telemetry.metrics import Metrics


def open_routing(
    service: Service,
    registry: Registry,
    memory: MemoryBudget,
    metrics: Metrics,
    settings: Settings,
) -> Routing:
    """Put the routes of the settings into force; what they lead to may still be loaded."""
    shadows = Shadows(
        lambda one: registry.lease(ModelReference(one.model, one.version)),
        service.has_spare_capacity,
        memory,
        metrics,
        _idle_check(settings.shadow_min_idle),
    )
    routes = exact_routes(registry, settings.model_routes)
    registry.hold(routed=_versions(registry, routes))
    watch = CanaryWatch(settings.canary_options)
    routing = Routing(registry, service.access_log, routes, watch, shadows)
    service.route_with(routing)
    return routing


def roll_back_everywhere(routing: Routing, orders: Orders) -> None:
    """Have a canary that one worker judges taken off in all; here at once, there within a moment.

    Where that cannot be written down, this worker alone takes it off.
    """

    def take_off(alias: str, target: TargetView, rollback: RollbackView) -> bool:
        is_here = routing.roll_back_here(alias, target, rollback)
        try:
            return orders.change_route(alias, lambda route: roll_back(route, target, rollback))
        except ModelUnavailable:
            return is_here

    routing.roll_back_with(take_off)


def _idle_check(min_share: float) -> Callable[[float], bool]:
    if not min_share:
        return lambda _own_s: True
    idle = measure_idle_cpus()
    return lambda own_s: idle.share(own_s) >= min_share


def exact_routes(registry: Registry, routes: Mapping[str, RouteView]) -> dict[str, RouteView]:
    """Put the version in place of `latest` and of digests, where it is known."""
    return {alias: _exact(registry, route) for alias, route in routes.items()}


def _exact(registry: Registry, route: RouteView) -> RouteView:
    targets = tuple(
        replace(one, version=_version(registry, one.model, one.version)) for one in route.targets
    )
    shadow = route.shadow and replace(
        route.shadow, version=_version(registry, route.shadow.model, route.shadow.version)
    )
    return replace(route, targets=targets, shadow=shadow)


def _version(registry: Registry, model: str, version: str | None) -> str | None:
    if version is None:
        return None
    try:
        return registry.find(ModelReference(model, version)).version
    except Failure:
        return version


def _versions(registry: Registry, routes: Mapping[str, RouteView]) -> frozenset[ModelRef]:
    """List the versions that routes lead to; a model's active one where none is named."""
    needed = {one for route in routes.values() for one in references(route)}
    meant = {(one.name, one.version or registry.active(one.name)) for one in needed}
    return frozenset(ModelRef(name, version) for name, version in meant if version)
