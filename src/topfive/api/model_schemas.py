"""The shapes of models, routes and orders on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from topfive.api.schemas import Shape
from topfive.models import (
    ModelsView,
    ModelView,
    OrderResult,
    RouteView,
    ShadowView,
    TargetView,
    VersionsView,
    WorkerView,
)

State = Literal["available", "loading", "ready", "draining", "failed"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$"
_VERSION = r"^(sha256:[0-9a-f]{12,64}|[A-Za-z0-9][A-Za-z0-9._+-]{0,127})$"
_WHICH_VERSION = "A version, `latest`, or `sha256:` and at least 12 digits of the bundle's digest."
_ACTIVE_IF_NULL = "Null: whichever version is active."
MOST_WAITED_S = 300


class NamePath(BaseModel):
    """Which model is meant."""

    name: str = Field(pattern=_NAME, description="The model's name.")


class VersionPath(NamePath):
    """Which version of which model is meant."""

    version: str = Field(pattern=_VERSION, description=_WHICH_VERSION)


class AliasPath(BaseModel):
    """Which route is meant."""

    alias: str = Field(pattern=_NAME, description="The route's alias; `default` always exists.")


class OrderFields(BaseModel):
    """How an order is to be answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait_s: int = Field(
        0,
        ge=0,
        le=MOST_WAITED_S,
        description="For how many seconds to wait until every worker has followed.",
    )


class ShadowIn(Shape):
    """What classifies a route's pictures too, after the answer."""

    model: str = Field(pattern=_NAME)
    version: str | None = Field(None, pattern=_VERSION, description=_ACTIVE_IF_NULL)


class TargetIn(ShadowIn):
    """Where a share of a route's requests goes."""

    weight: int = Field(
        ge=0, le=1_000_000, description="Its share is this of the sum of all targets' weights."
    )


class RouteIn(Shape):
    """What an alias is to lead to."""

    targets: list[TargetIn] = Field(min_length=1, max_length=16)
    shadow: ShadowIn | None = None


class WorkerStateOut(Shape):
    """How one worker has a model; workers are counted from 1."""

    worker: int = Field(ge=1)
    state: State
    reason: str | None


class ModelStateOut(Shape):
    """One version of a model, and how all workers together have it."""

    name: str
    version: str
    digest: str
    architecture: str
    num_classes: int
    state: State
    reason: str | None = Field(description="Why it is `failed`.")
    active: bool = Field(description="Whether it is meant where no version is named.")
    pinned: bool = Field(description="Whether settings keep it loaded.")
    routes: list[str] = Field(description="The aliases that lead here.")
    memory_bytes: int | None = Field(description="What it takes in one worker, where loaded.")
    engine: str | None
    precision: str | None
    metrics: dict[str, float]
    workers: list[WorkerStateOut] | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="There only while workers disagree.",
    )


class TargetOut(Shape):
    """Where a share of a route's requests goes."""

    model: str
    version: str | None = Field(description=_ACTIVE_IF_NULL)
    weight: int


class ShadowOut(Shape):
    """What classifies a route's pictures too, after the answer."""

    model: str
    version: str | None = Field(description=_ACTIVE_IF_NULL)


class RollbackOut(Shape):
    """A target that was taken off its route by itself."""

    model: str
    version: str
    reason: str
    at: datetime


class RouteOut(Shape):
    """What an alias leads to, and what was taken off it."""

    targets: list[TargetOut]
    shadow: ShadowOut | None
    rolled_back: list[RollbackOut]


class ModelsOut(Shape):
    """All known models and routes; `settled`: every worker has reached the generation."""

    generation: int
    settled: bool
    models: list[ModelStateOut]
    routes: dict[str, RouteOut]


class VersionsOut(Shape):
    """All known versions of one name, highest first."""

    name: str
    active: str | None
    latest: str
    versions: list[ModelStateOut]


class OrderOut(Shape):
    """What became of an order; what it was about follows, as it is now."""

    generation: int
    settled: bool = Field(description="Whether every worker has followed.")


class ModelOrderOut(OrderOut):
    """What became of an order about a model."""

    model: ModelStateOut | None


class RouteOrderOut(OrderOut):
    """What became of an order about a route."""

    route: RouteOut | None


def route_view(route: RouteIn) -> RouteView:
    """Read a route that is ordered."""
    shadow = route.shadow
    return RouteView(
        targets=tuple(TargetView(one.model, one.version, one.weight) for one in route.targets),
        shadow=ShadowView(shadow.model, shadow.version) if shadow else None,
    )


def model_state_out(model: ModelView) -> ModelStateOut:
    """Shape one version of a model for the wire."""
    return ModelStateOut(
        name=model.name,
        version=model.version,
        digest=model.digest,
        architecture=model.architecture,
        num_classes=model.num_classes,
        state=model.state,  # type: ignore[arg-type] # one of the five words
        reason=model.reason,
        active=model.is_active,
        pinned=model.is_pinned,
        routes=list(model.routes),
        memory_bytes=model.memory_bytes,
        engine=model.engine,
        precision=model.precision,
        metrics=dict(model.metrics),
        workers=[_worker_out(one) for one in model.workers] or None,
    )


def models_out(found: ModelsView) -> ModelsOut:
    """Shape all models and routes for the wire."""
    return ModelsOut(
        generation=found.generation,
        settled=found.is_settled,
        models=[model_state_out(one) for one in found.models],
        routes={alias: _route_out(route) for alias, route in found.routes.items()},
    )


def versions_out(found: VersionsView) -> VersionsOut:
    """Shape the versions of one name for the wire."""
    return VersionsOut(
        name=found.name,
        active=found.active,
        latest=found.latest,
        versions=[model_state_out(one) for one in found.versions],
    )


def model_order_out(result: OrderResult) -> ModelOrderOut:
    """Shape what became of an order about a model for the wire."""
    return ModelOrderOut(
        generation=result.generation,
        settled=result.is_settled,
        model=model_state_out(result.model) if result.model else None,
    )


def route_order_out(result: OrderResult) -> RouteOrderOut:
    """Shape what became of an order about a route for the wire."""
    return RouteOrderOut(
        generation=result.generation,
        settled=result.is_settled,
        route=_route_out(result.route) if result.route else None,
    )


def _worker_out(worker: WorkerView) -> WorkerStateOut:
    return WorkerStateOut(
        worker=worker.worker,
        state=worker.state,  # type: ignore[arg-type] # one of the five words
        reason=worker.reason,
    )


def _route_out(route: RouteView) -> RouteOut:
    shadow = route.shadow
    return RouteOut(
        targets=[
            TargetOut(model=one.model, version=one.version, weight=one.weight)
            for one in route.targets
        ],
        shadow=ShadowOut(model=shadow.model, version=shadow.version) if shadow else None,
        rolled_back=[
            RollbackOut(model=one.model, version=one.version, reason=one.reason, at=one.at)
            for one in route.rolled_back
        ],
    )
