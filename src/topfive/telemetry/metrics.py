"""What is counted and measured of a service, and the twin that does neither."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from topfive.predictions import ModelRef, Prediction
from topfive.statistics.proportions import Interval

CACHE_EVENTS = {
    "errors": "Calls that the cache's store did not answer.",
    "broken_entries": "Entries of the cache that were no answers.",
    "evictions": "Entries of the cache that were evicted for others.",
}

# Why predictions are missing in the history.
HISTORY_LOSSES = ("queue_full", "stopping", "refused")

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Gauges:
    """How one worker stands at one moment."""

    in_flight: int
    queue_depth: int
    decoded_bytes: int
    memory_bytes: int
    is_degraded: bool
    cache_bytes: int = 0
    history_queue: int = 0


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """How well a version does on what it is sent; None, or nothing, where too little is known.

    `accuracy` is the share of right answers among the k most likely classes, by k, of `labels`
    labelled predictions; `held_out_accuracy` that of k = 1 when its bundle was made. Where labels
    are not `is_representative`, they are of predictions less or more sure than all are.
    """

    model: ModelRef
    labels: int = 0
    accuracy: Mapping[int, Interval] = field(default_factory=dict)
    is_representative: bool | None = None
    held_out_accuracy: float | None = None
    calibration_error: float | None = None
    psi: float | None = None
    ks: float | None = None
    is_drifting: bool | None = None


@dataclass(frozen=True, slots=True)
class ToldModels:
    """The models of one worker: labels of the one that serves, and the bytes that each takes.

    `live` tells of versions how well they do, whichever worker measured it.
    """

    serving: Labels | None = None
    taken_bytes: Mapping[ModelRef, int] = field(default_factory=dict)
    live: tuple[LiveFigures, ...] = ()


class Metrics(Protocol):
    """What the service counts and measures."""

    def count_request(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Count a request that was answered."""

    def count_rejected(self, reason: str, count: int = 1) -> None:
        """Count requests that got no prediction, by their failure's code."""

    def count_prediction(self, prediction: Prediction) -> None:
        """Count a prediction, where its time went and how sure it was."""

    def count_model_error(self, model: ModelRef) -> None:
        """Count a prediction that a model could not make, by no fault of the picture."""

    def count_rollback(self, model: ModelRef, cause: str) -> None:
        """Count a model that was taken off a route by itself, for `errors` or its `p99`."""

    def count_shadow(self, model: ModelRef, outcome: str, inference_ms: float) -> None:
        """Count a picture that a shadow has classified, or failed to."""

    def count_shadow_dropped(self, reason: str) -> None:
        """Count a picture that no shadow has classified."""

    def count_store_error(self) -> None:
        """Count a call that the rate limit could not count."""

    def count_cache_event(self, event: str, count: int = 1) -> None:
        """Count what happened to the cache, by one of CACHE_EVENTS."""

    def count_history_written(self, count: int) -> None:
        """Count predictions that were written to the history."""

    def count_history_dropped(self, reason: str, count: int) -> None:
        """Count predictions that are missing in the history."""

    def set_gauges(self, gauges: Gauges) -> None:
        """Say how this worker stands now."""

    def render(self, accept: str, models: ToldModels) -> tuple[bytes, str]:
        """Write all workers' metrics; returns the text and its content type."""


class NoMetrics:
    """Stands in where nobody asks for metrics."""

    def count_request(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Do nothing."""

    def count_rejected(self, reason: str, count: int = 1) -> None:
        """Do nothing."""

    def count_prediction(self, prediction: Prediction) -> None:
        """Do nothing."""

    def count_model_error(self, model: ModelRef) -> None:
        """Do nothing."""

    def count_rollback(self, model: ModelRef, cause: str) -> None:
        """Do nothing."""

    def count_shadow(self, model: ModelRef, outcome: str, inference_ms: float) -> None:
        """Do nothing."""

    def count_shadow_dropped(self, reason: str) -> None:
        """Do nothing."""

    def count_store_error(self) -> None:
        """Do nothing."""

    def count_cache_event(self, event: str, count: int = 1) -> None:
        """Do nothing."""

    def count_history_written(self, count: int) -> None:
        """Do nothing."""

    def count_history_dropped(self, reason: str, count: int) -> None:
        """Do nothing."""

    def set_gauges(self, gauges: Gauges) -> None:
        """Do nothing."""

    def render(self, _accept: str, _models: ToldModels) -> tuple[bytes, str]:
        """Return nothing."""
        return b"", "text/plain"
