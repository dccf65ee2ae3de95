"""Metrics for Prometheus, added up over the workers of one machine."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from topfive.predictions import CacheStatus, ModelRef, Prediction, Timings
from topfive.telemetry.live_families import live_families
from topfive.telemetry.metric_files import reading
from topfive.telemetry.metrics import CACHE_EVENTS, HISTORY_LOSSES, Gauges, ToldModels

# OpenTelemetry's boundaries for http.server.request.duration.
REQUEST_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
# From a small picture's decoding to the slowest picture's.
STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
CONFIDENCE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

_STAGES: tuple[tuple[str, str, Callable[[Timings], float]], ...] = (
    ("queue_wait", "Waiting for a turn.", lambda timings: timings.queue_ms),
    ("decode", "Decoding.", lambda timings: timings.decode_ms),
    ("preprocess", "Resizing and cropping.", lambda timings: timings.preprocess_ms),
)


def open_metrics(folder: Path | None, *, has_confidence: bool = True) -> "PrometheusMetrics":
    """Open this worker's metrics; those of all workers that share `folder` are added up.

    Without `has_confidence` nothing is measured of how sure predictions are.
    """
    # Not before `prepare_files`, which tells the library of the folder.
    import prometheus_client.multiprocess  # noqa: PLC0415

    return PrometheusMetrics(prometheus_client, folder, has_confidence)


class PrometheusMetrics:
    """Metrics in files that all workers of a machine share, or in memory without a folder."""

    def __init__(self, library: Any, folder: Path | None, has_confidence: bool) -> None:
        self._has_confidence = has_confidence
        self._library = library
        self._folder = folder
        self._registry = library.CollectorRegistry()
        self._open_requests()
        self._open_predictions()
        self._open_routing()
        self._open_cache()
        self._open_history()
        self._open_gauges()

    def _open_requests(self) -> None:
        """Open what is counted of requests, whether or not they got a prediction."""
        self._requests = self._histogram(
            "topfive_request_duration_seconds", "How long requests took.",
            REQUEST_BUCKETS_S, "route", "method", "status",
        )  # fmt: skip
        self._rejected = self._counter(
            "topfive_rejected", "Requests without a prediction, by failure.", "reason"
        )
        self._store_errors = self._counter(
            "topfive_rate_limit_store_errors", "Calls that the rate limit could not count."
        )

    def _open_predictions(self) -> None:
        """Open what is counted of predictions: where their time went, and what they say."""
        self._stages = [
            (self._histogram(f"topfive_{name}_seconds", text, STAGE_BUCKETS_S), of)
            for name, text, of in _STAGES
        ]
        self._inference = self._histogram(
            "topfive_inference_seconds", "The model's time.", STAGE_BUCKETS_S, "model", "version"
        )
        self._confidence = self._histogram(
            "topfive_confidence", "Confidence of the best class.", CONFIDENCE_BUCKETS, "model"
        )
        self._predictions = self._counter(
            "topfive_predictions", "Predictions, by the model that answered.", "model", "version"
        )

    def _open_routing(self) -> None:
        """Open what is counted of routes: canaries and shadows."""
        self._model_errors = self._counter(
            "topfive_model_errors", "Predictions that a model could not make.", "model", "version"
        )
        self._rollbacks = self._counter(
            "topfive_rollbacks", "Models taken off a route by itself.", "model", "version", "cause"
        )
        self._shadows = self._counter(
            "topfive_shadow_predictions", "Pictures that a shadow has classified too.",
            "model", "version", "outcome",
        )  # fmt: skip
        self._shadow_inference = self._histogram(
            "topfive_shadow_inference_seconds", "A shadow's time.", STAGE_BUCKETS_S,
            "model", "version",
        )  # fmt: skip
        self._shadows_dropped = self._counter(
            "topfive_shadow_dropped", "Pictures that no shadow has classified.", "reason"
        )

    def _open_cache(self) -> None:
        """Open what is counted of the cache."""
        self._cache_results = self._counter(
            "topfive_cache_results", "Predictions, by what the cache did for them.", "result"
        )
        self._cache_events = {
            event: self._counter(f"topfive_cache_{event}", text)
            for event, text in CACHE_EVENTS.items()
        }
        # All workers tell of the same memory.
        self._cache_bytes = self._gauge(
            "topfive_cache_bytes", "Memory of this machine that answers take.", "livemax"
        )

    def _open_history(self) -> None:
        """Open what is counted of the history of predictions."""
        self._history_written = self._counter(
            "topfive_history_written", "Predictions written to the history."
        )
        self._history_dropped = self._counter(
            "topfive_history_dropped", "Predictions missing in the history.", "reason"
        )
        for reason in HISTORY_LOSSES:
            # From 0 on, so that the first loss is an increase.
            self._history_dropped.labels(reason)
        self._history_queue = self._gauge(
            "topfive_history_queue", "Predictions that wait to be written.", "livesum"
        )

    def _open_gauges(self) -> None:
        """Open what tells how a worker stands; this one is alive from now on."""
        self._in_flight = self._gauge(
            "topfive_requests_in_flight", "Requests being answered.", "livesum"
        )
        self._queue = self._gauge("topfive_queue_depth", "Pictures that wait.", "livesum")
        self._decoded = self._gauge(
            "topfive_decoded_bytes_in_flight", "Decoding budget in use.", "livesum"
        )
        self._degraded = self._gauge(
            "topfive_degraded", "1 while the fallback model serves.", "livemax"
        )
        self._memory = self._gauge(
            "topfive_worker_memory_bytes", "Resident memory of a worker.", "livesum", "worker"
        )
        self._gauge("topfive_workers", "Workers that are alive.", "livesum").set(1)

    def count_request(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, method, str(status)).observe(duration_s)

    def count_rejected(self, reason: str, count: int = 1) -> None:
        """Count requests that got no prediction, by their failure's code."""
        self._rejected.labels(reason).inc(count)

    def count_prediction(self, prediction: Prediction) -> None:
        """Count a prediction, where its time went and how sure it was."""
        model = prediction.model
        if prediction.cache is not CacheStatus.NONE:
            self._cache_results.labels(prediction.cache.value).inc()
        self._predictions.labels(model.name, model.version).inc()
        if self._has_confidence:
            self._confidence.labels(model.name).observe(prediction.classes[0].confidence)
        if prediction.cache.is_repeated:
            # No time went into its stages, and the others' would look shorter by it.
            return
        self._inference.labels(model.name, model.version).observe(
            prediction.timings.inference_ms / 1000
        )
        for histogram, duration_ms in self._stages:
            histogram.observe(duration_ms(prediction.timings) / 1000)

    def count_model_error(self, model: ModelRef) -> None:
        """Count a prediction that a model could not make, by no fault of the picture."""
        self._model_errors.labels(model.name, model.version).inc()

    def count_rollback(self, model: ModelRef, cause: str) -> None:
        """Count a model that was taken off a route by itself, for `errors` or its `p99`."""
        self._rollbacks.labels(model.name, model.version, cause).inc()

    def count_shadow(self, model: ModelRef, outcome: str, inference_ms: float) -> None:
        """Count a picture that a shadow has classified, or failed to."""
        self._shadows.labels(model.name, model.version, outcome).inc()
        if outcome != "failed":
            self._shadow_inference.labels(model.name, model.version).observe(inference_ms / 1000)

    def count_shadow_dropped(self, reason: str) -> None:
        """Count a picture that no shadow has classified."""
        self._shadows_dropped.labels(reason).inc()

    def count_store_error(self) -> None:
        """Count a call that the rate limit could not count."""
        self._store_errors.inc()

    def count_cache_event(self, event: str, count: int = 1) -> None:
        """Count what happened to the cache, by one of CACHE_EVENTS."""
        self._cache_events[event].inc(count)

    def count_history_written(self, count: int) -> None:
        """Count predictions that were written to the history."""
        self._history_written.inc(count)

    def count_history_dropped(self, reason: str, count: int) -> None:
        """Count predictions that are missing in the history."""
        self._history_dropped.labels(reason).inc(count)

    def set_gauges(self, gauges: Gauges) -> None:
        """Say how this worker stands now."""
        self._in_flight.set(gauges.in_flight)
        self._queue.set(gauges.queue_depth)
        self._decoded.set(gauges.decoded_bytes)
        self._degraded.set(gauges.is_degraded)
        self._memory.labels(str(os.getpid())).set(gauges.memory_bytes)
        self._cache_bytes.set(gauges.cache_bytes)
        self._history_queue.set(gauges.history_queue)

    def render(self, accept: str, models: ToldModels) -> tuple[bytes, str]:
        """Write all workers' metrics and this worker's `models`; returns text and content type."""
        encode, content_type = self._library.exposition.choose_encoder(accept)
        if self._folder is None:
            return encode(_Told(self._registry.collect(), models)), content_type
        with reading(self._folder):
            counted = self._library.multiprocess.MultiProcessCollector(None, str(self._folder))
            return encode(_Told(counted.collect(), models)), content_type

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Any:
        return self._library.Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Any:
        return self._library.Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: str, *labels: str) -> Any:
        return self._library.Gauge(
            name, text, labels, registry=self._registry, multiprocess_mode=mode
        )


class _Told:
    """What is told at one scrape: what was counted, and the models that are loaded now."""

    def __init__(self, counted: Iterable[Any], models: ToldModels) -> None:
        self._counted = counted
        self._models = models

    def collect(self) -> Iterator[Any]:
        """Give one family of samples after the other."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        yield from self._counted
        # No file keeps these, so that they are gone as soon as a model is.
        if self._models.serving is not None:
            names = list(self._models.serving)
            info = GaugeMetricFamily("topfive_model_info", "The model that serves.", labels=names)
            info.add_metric(list(self._models.serving.values()), 1)
            yield info
        taken = GaugeMetricFamily(
            "topfive_model_memory_bytes",
            "Memory of a model in one worker.",
            labels=["model", "version"],
        )
        for ref, taken_bytes in self._models.taken_bytes.items():
            taken.add_metric([ref.name, ref.version], taken_bytes)
        yield taken
        yield from live_families(self._models.live)
