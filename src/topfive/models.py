"""What is told of models and routes, and the orders about them; none knows HTTP.

A version is the text of one, or `sha256:` and at least 12 digits of a bundle's digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WorkerView:
    """How one worker has a model: a state and, where there is one, the reason for it.

    `worker` counts the workers of the machine from 1.
    """

    worker: int
    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ModelView:
    """One version of a model: what it is, and how all workers together have it.

    `state` is available, loading, ready, draining or failed; only that has a `reason`, which is
    public. `routes` names the aliases that lead here. `memory_bytes` is that of one worker.
    `engine`, `precision` and `memory_bytes` are None while no worker has it loaded. `workers` is
    empty while all of them agree.
    """

    name: str
    version: str
    digest: str
    architecture: str
    num_classes: int
    state: str
    reason: str | None = None
    is_active: bool = False
    is_pinned: bool = False
    routes: tuple[str, ...] = ()
    memory_bytes: int | None = None
    engine: str | None = None
    precision: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    workers: tuple[WorkerView, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetView:
    """Where a share of a route's requests goes; without a version to the model's active one."""

    model: str
    version: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class ShadowView:
    """What classifies a route's pictures too, after the answer; None: the active version."""

    model: str
    version: str | None


@dataclass(frozen=True, slots=True)
class RollbackView:
    """A target that was taken off its route by itself, why, and when (UTC)."""

    model: str
    version: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RouteView:
    """What one alias leads to; `rolled_back` is told, and nobody can order it."""

    targets: tuple[TargetView, ...]
    shadow: ShadowView | None = None
    rolled_back: tuple[RollbackView, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelsView:
    """All known models and routes, under the generation of the state that is desired.

    `is_settled` says that every worker has reached that generation.
    """

    generation: int
    is_settled: bool
    models: tuple[ModelView, ...]
    routes: Mapping[str, RouteView]


@dataclass(frozen=True, slots=True)
class VersionsView:
    """All known versions of one name, highest first; `active` is None where none is."""

    name: str
    active: str | None
    latest: str
    versions: tuple[ModelView, ...]


@dataclass(frozen=True, slots=True)
class OrderResult:
    """What became of an order: the generation it made, and whether all workers have reached it.

    It tells what it was about as that is now: `model`, or `route` for an order about a route.
    """

    generation: int
    is_settled: bool
    model: ModelView | None = None
    route: RouteView | None = None


class ModelOrders(Protocol):
    """What can be asked of, and ordered about, the models and routes of a service.

    Everything is told as all workers together have it. With `wait_s` above 0 an order waits for as
    many seconds until every worker has followed it. All raise ModelNotFound, and orders ModelBusy,
    ModelRefused and InvalidParameter (a name, version, alias or weight that cannot be one).
    """

    def list_models(self) -> ModelsView:
        """Tell all known models, and the routes."""
        ...

    def list_versions(self, name: str) -> VersionsView:
        """Tell all known versions of one name."""
        ...

    def find_model(self, name: str, version: str) -> ModelView:
        """Tell one version of a model."""
        ...

    def load(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Have every worker load a version, and keep it loaded; requests may then name it."""
        ...

    def activate(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Make a version the one that its name means, once every worker has it ready."""
        ...

    def unload(self, name: str, version: str, wait_s: float = 0) -> OrderResult:
        """Have every worker unload a version after its last request; ModelBusy if it is in use."""
        ...

    def set_route(self, alias: str, route: RouteView, wait_s: float = 0) -> OrderResult:
        """Have an alias lead to other targets, once every worker has them ready."""
        ...
