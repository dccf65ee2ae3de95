"""What is told of the service: its health, and what it is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from topfive.classify.classifier import Classifier
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.predictions import ModelRef
from topfive.registry.registry import ServingState
from topfive.telemetry.metrics import Labels


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What one request may cost: its picture, and its time in seconds, waiting included.

    A batch has `batch_timeout_s`.
    """

    image: ImageLimits
    request_timeout_s: float
    batch_timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can classify, and with what."""

    status: str
    model: str
    model_version: str | None
    is_loaded: bool
    uptime_s: float
    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What the service is made of; `state` is that of the model which answers by default."""

    state: ServingState
    desired: str
    sizing: Sizing
    limits: ServiceLimits


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A loaded model as its callers must know it: `side` is the width and height of its input.

    `versions` are those of its name that are loaded.
    """

    ref: ModelRef
    versions: tuple[str, ...]
    side: int
    classes: int
    engine: str


def describe_model(classifier: Classifier, loaded: Iterable[ModelRef]) -> ModelDescription:
    """Describe a model, of which and of others these versions are loaded."""
    ref = classifier.ref
    return ModelDescription(
        ref=ref,
        versions=tuple(sorted(one.version for one in loaded if one.name == ref.name)),
        side=classifier.side,
        classes=classifier.bundle.manifest.classes,
        engine=classifier.engine.name,
    )


def tell_health(state: ServingState, desired: str, uptime_s: float) -> Health:
    """Say what the state of the default model means for callers."""
    serving = state.serving
    return Health(
        status=_status(state),
        model=serving.ref.name if serving else desired,
        model_version=serving.ref.version if serving else None,
        is_loaded=serving is not None,
        uptime_s=uptime_s,
        at=datetime.now(UTC),
        reason=state.reason or state.missing,
    )


def label_model(serving: Classifier) -> Labels:
    """Tell a model in the labels of a metric."""
    return {
        "name": serving.ref.name,
        "version": serving.ref.version,
        "sha256": serving.bundle.weights_sha256,
        "engine": serving.engine.name,
        "precision": serving.engine.precision,
    }


def _status(state: ServingState) -> str:
    if state.serving is None:
        return "unavailable"
    return "healthy" if state.is_desired and state.missing is None else "degraded"
