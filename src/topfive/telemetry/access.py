"""What becomes of requests: a line in the log, the metrics and a trace for each."""

from dataclasses import dataclass
from logging import DEBUG, INFO
from threading import Lock

from topfive.errors import Failure
from topfive.predictions import CacheStatus, ModelRef, Prediction
from topfive.route_table import STANDARD_TABLE
from topfive.telemetry.logs import get_logger
from topfive.telemetry.metrics import Metrics, NoMetrics
from topfive.telemetry.traces import NoTraces, Stage, Trace, Traces


@dataclass(slots=True)
class BatchCounts:
    """How far a batch has come: its model, and how many of its pictures have a result or none."""

    model: ModelRef
    pictures: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One request as it was answered; holds nothing about the caller's picture."""

    route: str
    method: str
    status: int
    code: str | None
    request_id: str
    duration_ms: float
    prediction: Prediction | None = None
    trace: Trace | None = None
    # Of the other pictures, where the request held several.
    further_predictions: tuple[Prediction, ...] = ()
    # Of a batch, whose pictures are counted one by one.
    batch: BatchCounts | None = None


class AccessLog:
    """Logs, counts and traces the requests of one worker; safe to call from many threads.

    At `quiet_paths` load balancers ask every few seconds: they are logged at debug level.
    """

    def __init__(
        self,
        metrics: Metrics | None = None,
        traces: Traces | None = None,
        quiet_paths: frozenset[str] = STANDARD_TABLE.quiet_paths,
    ) -> None:
        self._quiet_paths = quiet_paths
        self._metrics = metrics or NoMetrics()
        self._traces = traces or NoTraces()
        self._logger = get_logger()
        self._lock = Lock()
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._in_flight

    def begin_request(self, traceparent: str = "", age_s: float = 0.0) -> Trace:
        """Note that a request is under way, since `age_s` seconds.

        Its trace goes into what `record` is given.
        """
        with self._lock:
            self._in_flight += 1
        return self._traces.begin(traceparent, age_s)

    def record(self, entry: AccessRecord) -> None:
        """Log, count and trace one answered request; health checks are logged at debug level."""
        level = DEBUG if entry.route in self._quiet_paths else INFO
        self._logger.log(level, "request", **_fields(entry))
        self._metrics.count_request(
            entry.route, entry.method, entry.status, entry.duration_ms / 1000
        )
        if entry.code:
            self._metrics.count_rejected(entry.code)
        if entry.prediction:
            for one in (entry.prediction, *entry.further_predictions):
                self._metrics.count_prediction(one)
        if entry.trace:
            with self._lock:
                self._in_flight -= 1
            if entry.trace.header:
                entry.trace.finish(*_span(entry))

    def record_batch_picture(self, result: Prediction | Failure) -> None:
        """Count one picture of a batch; what failed by its code."""
        if isinstance(result, Failure):
            self._metrics.count_rejected(result.code)
        else:
            self._metrics.count_prediction(result)

    def record_load_shed(self, count: int, code: str) -> None:
        """Log and count uploads that were refused before they were read."""
        self._logger.warning("load_shed", count=count, code=code)
        self._metrics.count_rejected(code, count)

    def record_model_error(self, model: ModelRef) -> None:
        """Count a prediction that a model could not make, by no fault of the picture."""
        self._metrics.count_model_error(model)

    def record_refused_heatmaps(self, model: ModelRef, reason: str) -> None:
        """Log that a model's heatmaps were asked for, and cannot be used."""
        self._logger.warning(
            "heatmaps_refused", model=model.name, version=model.version, reason=reason
        )

    def record_rollback(self, alias: str, model: ModelRef, cause: str, reason: str) -> None:
        """Log and count that a canary was taken off its route."""
        self._logger.warning(
            "canary_rolled_back",
            alias=alias,
            model=model.name,
            version=model.version,
            cause=cause,
            reason=reason,
        )
        self._metrics.count_rollback(model, cause)

    def record_store_down(self, kind: str) -> None:
        """Log that the rate limit's store fails, so that nobody is limited."""
        self._logger.warning("rate_limit_store_down", kind=kind)

    def record_store_back(self) -> None:
        """Log that the rate limit's store works again."""
        self._logger.info("rate_limit_store_back")

    def record_store_error(self) -> None:
        """Count a call that the rate limit could not count."""
        self._metrics.count_store_error()

    def record_cache_down(self, kind: str) -> None:
        """Log that the cache's store fails, so that every picture is classified."""
        self._logger.warning("cache_down", kind=kind)

    def record_cache_back(self) -> None:
        """Log that the cache's store works again."""
        self._logger.info("cache_back")

    def record_cache_error(self) -> None:
        """Count a call that the cache's store did not answer."""
        self._metrics.count_cache_event("errors")

    def record_broken_entry(self) -> None:
        """Log and count an entry of the cache that was no answer, and is dropped."""
        self._logger.warning("cache_entry_dropped")
        self._metrics.count_cache_event("broken_entries")

    def record_evictions(self, count: int) -> None:
        """Count entries of the cache that made room for others."""
        self._metrics.count_cache_event("evictions", count)

    def record_history_down(self, reason: str) -> None:
        """Log that the history cannot be written, so that predictions wait."""
        self._logger.warning("history_down", reason=reason)

    def record_history_back(self) -> None:
        """Log that the history is written again."""
        self._logger.info("history_back")

    def record_history_full(self, waiting: int) -> None:
        """Log that as many predictions wait for the history as may."""
        self._logger.warning("history_queue_full", waiting=waiting)

    def record_history_dropped(self, reason: str, count: int) -> None:
        """Log how many predictions are missing in the history, and why."""
        self._logger.warning("history_dropped", reason=reason, count=count)

    def record_history_fault(self, error: Exception) -> None:
        """Log an error that nobody foresaw while the history was written."""
        self._logger.error("unforeseen_error", kind=type(error).__name__, exc_info=error)

    def count_history_written(self, count: int) -> None:
        """Count predictions that were written to the history."""
        self._metrics.count_history_written(count)

    def count_history_dropped(self, reason: str, count: int) -> None:
        """Count predictions that are missing in the history."""
        self._metrics.count_history_dropped(reason, count)


def _fields(entry: AccessRecord) -> dict[str, object]:
    fields: dict[str, object] = {
        "route": entry.route,
        "method": entry.method,
        "status": entry.status,
        "request_id": entry.request_id,
        "duration_ms": round(entry.duration_ms, 2),
    }
    if entry.code:
        fields["code"] = entry.code
    if entry.trace and entry.trace.trace_id:
        fields["trace"] = entry.trace.trace_id
    if entry.prediction:
        fields |= _prediction_fields(entry.prediction)
    if entry.further_predictions:
        fields["pictures"] = 1 + len(entry.further_predictions)
    if entry.batch:
        fields |= _batch_fields(entry.batch)
    return fields


def _batch_fields(batch: BatchCounts) -> dict[str, object]:
    return {
        "model": batch.model.name,
        "version": batch.model.version,
        "pictures": batch.pictures,
        "failed": batch.failed,
    }


def _prediction_fields(prediction: Prediction) -> dict[str, object]:
    timings, best = prediction.timings, prediction.classes[0]
    return {
        "model": prediction.model.name,
        "version": prediction.model.version,
        "top_class": best.class_name,
        "confidence": round(best.confidence, 4),
        "queue_ms": round(timings.queue_ms, 2),
        "decode_ms": round(timings.decode_ms, 2),
        "preprocess_ms": round(timings.preprocess_ms, 2),
        "inference_ms": round(timings.inference_ms, 2),
    } | ({} if prediction.cache is CacheStatus.NONE else {"cache": prediction.cache.value})


def _span(entry: AccessRecord) -> tuple[str, dict[str, str | int], list[Stage]]:
    """Tell a trace what a request was, in OpenTelemetry's names, and its stages."""
    fields: dict[str, str | int] = {
        "http.request.method": entry.method,
        "http.route": entry.route,
        "http.response.status_code": entry.status,
        "topfive.request_id": entry.request_id,
    }
    if entry.code:
        fields["error.type"] = entry.code
    if entry.batch:
        fields["topfive.pictures"] = entry.batch.pictures
    stages = _stages(entry.duration_ms, entry.prediction) if entry.prediction else []
    return f"{entry.method} {entry.route}", fields, stages


def _stages(duration_ms: float, prediction: Prediction) -> list[Stage]:
    """Lay the stages one after the other; before the first the upload was received."""
    timings = prediction.timings
    began_ms = max(0.0, duration_ms - timings.total_ms)
    stages = [Stage("receive", 0.0, began_ms)]
    for name, stage_ms in (
        ("queue", timings.queue_ms),
        ("decode", timings.decode_ms),
        ("preprocess", timings.preprocess_ms),
        ("inference", timings.inference_ms),
    ):
        stages.append(Stage(name, began_ms, stage_ms))
        began_ms += stage_ms
    return stages
