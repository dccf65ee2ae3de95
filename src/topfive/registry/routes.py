"""Routes: which of several models and versions gets a request that names an alias, or nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count
from random import getrandbits

from topfive.bundles.manifest import check_name
from topfive.bundles.versions import ModelReference, check_version
from topfive.models import RollbackView, RouteView, ShadowView, TargetView

# The alias of requests that name neither a model nor an alias.
DEFAULT_ALIAS = "default"
MAX_WEIGHT = 1_000_000
_MAX_TARGETS = 16
_MAX_ALIASES = 64
_SHADOW = "shadow"
_SYNTAX = re.compile(
    r"(?P<model>[^@:]+)(?:@(?P<version>sha256:[0-9a-f]{12,64}|[^@:]+))?(?::(?P<weight>[^@:]+))?"
)
_TWO_TO_64 = 1 << 64
# 2**64 divided by the golden ratio.
_GOLDEN = 0x9E3779B97F4A7C15


def parse_routes(text: str) -> dict[str, RouteView]:
    """Read `ALIAS=MODEL[@VERSION]:WEIGHT,...`, several aliases separated by `;`.

    A weight of `shadow` makes the alias's shadow; a single target needs no weight. Raises
    ValueError with what is wrong.
    """
    routes: dict[str, RouteView] = {}
    for entry in filter(None, (one.strip() for one in text.split(";"))):
        alias, equals, targets = entry.partition("=")
        alias = alias.strip()
        if not equals:
            raise ValueError(f"{entry!r} is no route; write ALIAS=MODEL@VERSION:WEIGHT,...")
        if alias in routes:
            raise ValueError(f"the alias {alias!r} is there twice")
        check_alias(alias)
        try:
            routes[alias] = _parse_route(targets)
        except ValueError as error:
            raise ValueError(f"the route {alias!r}: {error}") from error
    if len(routes) > _MAX_ALIASES:
        raise ValueError(f"there are {len(routes)} aliases; at most {_MAX_ALIASES} are allowed")
    return routes


def check_alias(alias: str) -> None:
    """Raise ValueError where an alias cannot be one."""
    try:
        check_name(alias)
    except ValueError as error:
        raise ValueError(f"{alias!r} cannot be an alias: {error}") from error


def check_route(route: RouteView) -> None:
    """Raise ValueError where a route makes no sense; whether its models exist is not looked at."""
    if not 1 <= len(route.targets) <= _MAX_TARGETS:
        raise ValueError(f"it has {len(route.targets)} targets; it needs 1 to {_MAX_TARGETS}")
    chosen: set[tuple[str, str | None]] = set()
    for one in route.targets:
        _check_reference(one.model, one.version)
        if not 0 <= one.weight <= MAX_WEIGHT:
            raise ValueError(f"the weight {one.weight} is not 0 to {MAX_WEIGHT}")
        if (one.model, one.version) in chosen:
            raise ValueError(f"{ModelReference(one.model, one.version)} is there twice")
        chosen.add((one.model, one.version))
    if not any(one.weight for one in route.targets):
        raise ValueError("no target has a weight above 0")
    if route.shadow:
        _check_reference(route.shadow.model, route.shadow.version)


def sticky_position(alias: str, key: str) -> float:
    """Tell where a caller stands on an alias, from 0 to below 1; the same for the same key.

    The alias is hashed too, so that the first callers of one route are not those of all.
    """
    digest = sha256(f"{alias}\0{key}".encode("utf-8", "surrogateescape")).digest()
    return _below_one(int.from_bytes(digest[:8], "big"))


class EvenPositions:
    """Positions from 0 to below 1, spread so evenly that every part of them gets its share.

    They are multiples of the golden ratio: of n of them, any interval gets its share but for a few
    (Knuth, The Art of Computer Programming, volume 3, section 6.4). Safe to call from many threads.
    """

    def __init__(self, start: int) -> None:
        self._numbers = count(start)

    def next(self) -> float:
        """Give the next position."""
        return _below_one(next(self._numbers) * _GOLDEN % _TWO_TO_64)


def choose_target(targets: Sequence[TargetView], position: float) -> TargetView:
    """Choose by weight: targets lie side by side on 0 to 1, in their order.

    A weight above 0 must be among them. A caller at a fixed position stays with its target while
    weights change elsewhere.
    """
    chosen = [one for one in targets if one.weight]
    left = position * sum(one.weight for one in chosen)
    for one in chosen[:-1]:
        left -= one.weight
        if left < 0:
            return one
    return chosen[-1]


def roll_back(route: RouteView, target: TargetView, rollback: RollbackView) -> RouteView:
    """Give a target no weight any more, and keep why.

    Nothing changes if it has none, or no other has: the route may have been set to it meanwhile.
    """
    found = [one for one in route.targets if _is_same(one, target) and one.weight]
    if not found or not has_canary(route):
        return route
    targets = tuple(replace(one, weight=0) if one in found else one for one in route.targets)
    return replace(route, targets=targets, rolled_back=(*route.rolled_back, rollback))


def references(route: RouteView) -> tuple[ModelReference, ...]:
    """List what a route needs: its targets that have a weight, and its shadow."""
    needed = [ModelReference(one.model, one.version) for one in route.targets if one.weight]
    if route.shadow:
        needed.append(ModelReference(route.shadow.model, route.shadow.version))
    return tuple(needed)


def has_canary(route: RouteView) -> bool:
    """Tell whether requests of a route are shared by several targets."""
    return sum(one.weight > 0 for one in route.targets) > 1


class Router:
    """Chooses targets of the routes that are in force; each worker has one."""

    def __init__(self, routes: Mapping[str, RouteView], start: int | None = None) -> None:
        self._start = getrandbits(32) if start is None else start
        self._positions: dict[str, EvenPositions] = {}
        self.routes = routes

    def replace(self, routes: Mapping[str, RouteView]) -> None:
        """Put other routes into force."""
        self.routes = routes

    def find(self, alias: str) -> RouteView | None:
        """Find the route of an alias; None where there is none."""
        return self.routes.get(alias)

    def choose(
        self, alias: str, route: RouteView, key: str, is_ready: Callable[[TargetView], bool]
    ) -> TargetView:
        """Choose a target of an alias's route for a caller; one without a `key` gets any, in turn.

        Those that are not ready are passed over while another one is.
        """
        position = sticky_position(alias, key) if key else self._evenly(alias).next()
        ready = [one for one in route.targets if one.weight and is_ready(one)]
        return choose_target(ready or route.targets, position)

    def _evenly(self, alias: str) -> EvenPositions:
        # Two threads that come first at once share whichever is kept.
        return self._positions.setdefault(alias, EvenPositions(self._start))


def _parse_route(text: str) -> RouteView:
    found = [_parse_target(one.strip()) for one in text.split(",")]
    shadows = [ShadowView(model, version) for model, version, mark in found if mark == _SHADOW]
    weighted = [one for one in found if one[2] != _SHADOW]
    if len(shadows) > 1:
        raise ValueError("it has more than one shadow")
    is_single = len(weighted) == 1
    targets = tuple(
        TargetView(model, version, _weight(weight, is_single=is_single))
        for model, version, weight in weighted
    )
    route = RouteView(targets, shadows[0] if shadows else None)
    check_route(route)
    return route


def _parse_target(text: str) -> tuple[str, str | None, str | None]:
    match = _SYNTAX.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no target; write MODEL@VERSION:WEIGHT")
    return match["model"], match["version"], match["weight"]


def _weight(text: str | None, *, is_single: bool) -> int:
    if text is None and is_single:
        return 100
    if text is None or not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"{'a target has no weight' if text is None else f'the weight {text!r} is no number'}; "
            "write MODEL@VERSION:WEIGHT, or :shadow"
        )
    return int(text[:10])


def _check_reference(model: str, version: str | None) -> None:
    check_name(model)
    if version is not None:
        check_version(version)


def _below_one(number: int) -> float:
    """Bring a number of 64 bits to 0 to below 1; a float holds 53 of them."""
    return (number >> 11) / (1 << 53)


def _is_same(one: TargetView, other: TargetView) -> bool:
    return (one.model, one.version) == (other.model, other.version)
