"""The service: predict, describe, health. No Flask here."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from math import inf
from time import monotonic
from typing import Protocol

from topfive.cache.cache import Caching
from topfive.classify.classifier import Pixels
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import Overloaded, ShuttingDown
from topfive.history.contract import History, NoHistory
from topfive.history.recorder import NoRecorder, Recorder
from topfive.machine.probe import resident_bytes
from topfive.machine.sizing import Sizing
from topfive.models import ModelOrders
from topfive.predictions import STANDARD_OPTIONS, Prediction, PredictionOptions
from topfive.registry.registry import Registry
from topfive.service.batch import Batch, Batches, BatchOptions
from topfive.service.description import (
    Description,
    Health,
    ModelDescription,
    ServiceLimits,
    describe_model,
    label_model,
    tell_health,
)
from topfive.service.live.figures import FigureStore, NoFigures
from topfive.service.live.measures import LiveMeasures, NoLiveMeasures
from topfive.service.no_orders import NoModelOrders
from topfive.service.predictor import IsAbandoned, Predictor, is_never_abandoned
from topfive.service.recording import Recording
from topfive.service.routing import Routing
from topfive.telemetry.access import AccessLog
from topfive.telemetry.metrics import Gauges, Metrics, NoMetrics, ToldModels

# The slowest picture takes two seconds on a slow core; one at work for longer is stuck.
STALLED_AFTER_S = 4.0


class Recovering(Protocol):
    """What the service must be able to do with a recovery: stop it."""

    def stop(self) -> None:
        """Stop trying to load the model."""


class Service:
    """Everything topfive does for a caller."""

    def __init__(
        self,
        registry: Registry,
        limiter: ConcurrencyLimiter,
        memory: MemoryBudget,
        sizing: Sizing,
        limits: ServiceLimits,
        metrics: Metrics | None = None,
        access_log: AccessLog | None = None,
    ) -> None:
        self.limits = limits
        self.access_log = access_log or AccessLog()
        routing = Routing(registry, self.access_log)
        self._predictor = Predictor(registry, routing, limiter, memory, limits.image)
        self._batches = Batches(
            self._predictor,
            BatchOptions(sizing.batch_slots, limits.request_timeout_s, limits.image.max_bytes),
            lambda: monotonic() >= self._batches_end_s,
        )
        self._metrics = metrics or NoMetrics()
        self._registry = registry
        self._limiter = limiter
        self._memory = memory
        self._sizing = sizing
        self._recoveries: list[Recovering] = []
        self.orders: ModelOrders = NoModelOrders()
        self.history: History = NoHistory()
        self.live: LiveMeasures = NoLiveMeasures()
        self._live_figures: FigureStore = NoFigures()
        self.recorder: Recorder = NoRecorder()
        self._started_s = monotonic()
        self._count_waiting: Callable[[], int] = lambda: 0
        self._is_draining = False
        self._batches_end_s = inf
        self._is_closed = False

    def predict(
        self,
        data: bytes,
        deadline: Deadline,
        options: PredictionOptions = STANDARD_OPTIONS,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> Prediction:
        """Classify one uploaded picture; raises a Failure where that cannot be done.

        `follow_up` of the prediction is to be called once the answer is made, and `record` where
        there is a history. See `Predictor.predict`.
        """
        self._require_open()
        return self._predictor.predict(data, deadline, options, is_abandoned)

    def predict_tensor(
        self,
        pixels: Pixels,
        deadline: Deadline,
        options: PredictionOptions = STANDARD_OPTIONS,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> tuple[Prediction, ...]:
        """Classify prepared pictures: uint8 RGB of shape (pictures, side, side, 3).

        See `Predictor.predict_tensor`.
        """
        self._require_open()
        return self._predictor.predict_tensor(pixels, deadline, options, is_abandoned)

    def open_batch(self, options: PredictionOptions) -> AbstractContextManager[Batch]:
        """Begin a batch, for all of whose pictures the same model is leased; see `Batches.open`."""
        self._require_open()
        return self._batches.open(options)

    def describe_model(self, model: str, version: str | None = None) -> ModelDescription:
        """Describe a loaded model; raises ModelNotFound, or ModelUnavailable if it is not."""
        with self._registry.lease(self._predictor.routing.name(model, version)) as classifier:
            return describe_model(classifier, self._registry.memory_taken())

    def health(self) -> Health:
        """Tell whether the service can classify, and with what."""
        return tell_health(
            self._registry.state, self._registry.desired, monotonic() - self._started_s
        )

    def is_ready(self) -> bool:
        """Tell whether this worker has a model, is not about to stop and is not stuck."""
        is_stalled = self._limiter.oldest_run_s() > STALLED_AFTER_S
        return self._registry.state.serving is not None and not self._is_draining and not is_stalled

    def overloaded(self) -> Overloaded:
        """Make the failure of a picture for which there is no queue slot now."""
        return self._limiter.overloaded(self._count_waiting())

    def count_waiting_with(self, count: Callable[[], int]) -> None:
        """Have `count` tell how many pictures wait before they reach the service."""
        self._count_waiting = count
        self._limiter.count_waiting_with(count)

    def oldest_run_s(self) -> float:
        """Tell for how long the oldest prediction has been at work; 0 if none is."""
        return self._limiter.oldest_run_s()

    def describe(self) -> Description:
        """Tell what the service is made of."""
        return Description(self._registry.state, self._registry.desired, self._sizing, self.limits)

    def note_gauges(self) -> None:
        """Say in the metrics how this worker stands now."""
        state = self._registry.state
        gauges = Gauges(
            in_flight=self.access_log.in_flight,
            queue_depth=self._limiter.load().waiting + self._count_waiting(),
            decoded_bytes=self._memory.taken_bytes,
            memory_bytes=resident_bytes(),
            is_degraded=state.serving is not None and not state.is_desired,
            cache_bytes=self._predictor.cache.used_bytes(),
            history_queue=self.recorder.waiting,
        )
        self._metrics.set_gauges(gauges)

    def render_metrics(self, accept: str) -> tuple[bytes, str]:
        """Write the metrics of all workers; returns the text and its content type."""
        self.note_gauges()
        serving = self._registry.state.serving
        told = ToldModels(
            label_model(serving) if serving else None,
            self._registry.memory_taken(),
            self._live_figures.read(),
        )
        return self._metrics.render(accept, told)

    def answer_from(self, cache: Caching) -> None:
        """Keep answers in `cache`, and answer from it."""
        self._predictor.cache = cache

    @property
    def has_cache(self) -> bool:
        """Whether some pictures are answered without being classified."""
        return self._predictor.cache.is_on

    def record_with(self, recorder: Recorder) -> None:
        """Have every prediction from now on taken down by `recorder`, until the service closes."""
        self.recorder = recorder
        self._predictor.recording = Recording(recorder)

    def recover_with(self, recovery: Recovering) -> None:
        """Let `recovery` go on until the service closes."""
        self._recoveries.append(recovery)

    def take_orders_with(self, orders: ModelOrders) -> None:
        """Let `orders` tell of models and routes, and have orders about them followed."""
        self.orders = orders

    def tell_from(self, history: History) -> None:
        """Let `history` tell what was predicted, and take labels."""
        self.history = history

    def measure_with(self, live: LiveMeasures, figures: FigureStore) -> None:
        """Let `live` tell how well models do, and `figures` what was measured last."""
        self.live = live
        self._live_figures = figures

    @property
    def is_draining(self) -> bool:
        """Whether the service is about to stop."""
        return self._is_draining

    def route_with(self, routing: Routing) -> None:
        """Choose by `routing` which model gets a request that names none."""
        self._predictor.routing = routing

    def has_spare_capacity(self) -> bool:
        """Tell whether a picture could be classified now without keeping any other waiting."""
        return self._limiter.has_spare_permit() and self._count_waiting() == 0

    def drain(self) -> None:
        """Say from now on that the service is not ready; work under way goes on.

        Batches have half of a request's time for it: so most lose nothing where a worker is
        replaced, and the pictures of the others are told in time that they are not classified.
        """
        if not self._is_draining:
            self._batches_end_s = monotonic() + self.limits.request_timeout_s / 2
        self._is_draining = True

    def close(self) -> None:
        """Stop recovery, write what is to be kept, and give the model's memory back."""
        self.drain()
        self._batches_end_s = -inf
        self._is_closed = True
        for recovery in self._recoveries:
            recovery.stop()
        self._batches.close()
        # Before memory is given back, which also ends with the process.
        self.recorder.close()
        self._predictor.routing.close()
        self._predictor.cache.close()
        self._registry.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise ShuttingDown(retry_after_s=1)
