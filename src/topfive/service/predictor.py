"""From an upload to its most likely classes: a lease, a queue slot, a permit, and the work."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic

from topfive.cache.answers import Answer, Question
from topfive.cache.cache import Caching, NoCache
from topfive.classify.classifier import Classifier, Pixels, Prepared, Scored
from topfive.classify.heatmap import UNSOUND_HEATMAPS
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import (
    ClientDisconnected,
    DeadlineExceeded,
    EngineRefused,
    HeatmapUnavailable,
    InvalidParameter,
)
from topfive.images.limits import ImageLimits
from topfive.images.sniff import SniffedPicture, sniff
from topfive.predictions import (
    STANDARD_OPTIONS,
    CacheStatus,
    ImageInfo,
    PictureHash,
    Prediction,
    PredictionOptions,
    Timings,
)
from topfive.registry.registry import Registry
from topfive.service.recording import NoRecording, Records
from topfive.service.routing import Leased, Routing

IsAbandoned = Callable[[], bool]


def is_never_abandoned() -> bool:
    """Tell that the caller stays to hear the answer."""
    return False


@dataclass(frozen=True, slots=True)
class _Found:
    """What a classifier found in one picture; `prepared` is None where it came as pixels."""

    scored: Scored
    image: ImageInfo
    timings: Timings
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """What one picture is to be classified with: until when, how, for whom, by which turns."""

    picture: PictureHash
    deadline: Deadline
    options: PredictionOptions
    is_abandoned: IsAbandoned
    started_s: float
    queue_slot: Callable[[], AbstractContextManager[None]]
    permit: Callable[[Deadline], AbstractContextManager[None]]
    # Whether it waits for another's work on the same picture, and others wait for its.
    joins: bool


class Predictor:
    """Classifies pictures with what `routing` chooses; safe to call from many threads."""

    def __init__(
        self,
        registry: Registry,
        routing: Routing,
        limiter: ConcurrencyLimiter,
        memory: MemoryBudget,
        limits: ImageLimits,
    ) -> None:
        self.routing = routing
        self.cache: Caching = NoCache()
        self.recording: Records = NoRecording()
        self._registry = registry
        self._limiter = limiter
        self._memory = memory
        self._limits = limits

    def predict(
        self,
        data: bytes,
        deadline: Deadline,
        options: PredictionOptions = STANDARD_OPTIONS,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> Prediction:
        """Classify one uploaded picture; raises a Failure where that cannot be done.

        `is_abandoned` is asked before any work, and when time is up: nobody decodes for a client
        that has gone, and it is ClientDisconnected.
        """
        started_s = monotonic() - deadline.waited_s
        queue_slot, permit = self._limiter.queue_slot, self._limiter.permit
        picture, asked = PictureHash(data), self.recording.widen(options)
        work = _Work(
            picture, deadline, asked, is_abandoned, started_s, queue_slot, permit, joins=True
        )
        upload = sniff(data, self._limits)
        with self.lease(options) as leased:
            found = self._answer(leased, upload, work)
            return self.recording.prepare(found, leased, options.top_k, picture)

    def lease(self, options: PredictionOptions) -> AbstractContextManager[Leased]:
        """Hand out what `options` choose until the block ends; raises what `Routing.lease` does."""
        return self.routing.lease(options.model, options.version, options.route_key)

    def predict_leased(
        self,
        leased: Leased,
        data: bytes,
        deadline: Deadline,
        options: PredictionOptions = STANDARD_OPTIONS,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> Prediction:
        """Classify one picture of a batch, for all of which the same was leased.

        It takes no queue slot, and waits for a turn of batches. Raises what `predict` raises.
        """
        # A single picture that joined would wait for a turn of batches, too.
        permit, joins = self._limiter.batch_permit, False
        picture, asked = PictureHash(data), self.recording.widen(options)
        work = _Work(
            picture, deadline, asked, is_abandoned, monotonic(), nullcontext, permit, joins
        )
        found = self._answer(leased, sniff(data, self._limits), work)
        return self.recording.prepare(found, leased, options.top_k, picture)

    def is_stand_in(self, leased: Leased) -> bool:
        """Tell whether what is leased stands in for another model."""
        return self._registry.is_stand_in(leased.classifier)

    def predict_tensor(
        self,
        pixels: Pixels,
        deadline: Deadline,
        options: PredictionOptions = STANDARD_OPTIONS,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> tuple[Prediction, ...]:
        """Classify prepared pictures: uint8 RGB of shape (pictures, side, side, 3).

        Each waits for a turn of its own, so that several keep nobody else waiting for longer than
        one does. Raises InvalidParameter where the model takes another side, and what `predict`
        raises. What they show is not kept in the cache.
        """
        if options.only_cached:
            raise self._limiter.overloaded()
        top_k = self.recording.widen(options).top_k
        with self.lease(options) as leased, self._limiter.queue_slot():
            _check_side(pixels, leased.classifier)
            predictions = []
            for number in range(len(pixels)):
                one = pixels[number : number + 1]
                scored = self._classify_pixels(leased, one, deadline, top_k, is_abandoned)
                found = self._prediction(leased, scored)
                predictions.append(self.recording.prepare(found, leased, options.top_k))
                deadline = Deadline(deadline.at_s)
            return tuple(predictions)

    def _answer(self, leased: Leased, upload: SniffedPicture, work: _Work) -> Prediction:
        """Give the answer that is kept, or find it."""
        options = work.options
        if options.explains:
            leased.classifier.require_heatmap()
        with (
            _noticing_departure(work.is_abandoned),
            self.cache.lookup(
                work.picture,
                _question(leased.classifier, options),
                options.cache_use,
                work.deadline.at_s,
                joins=work.joins,
            ) as lookup,
        ):
            if lookup.answer is not None:
                return self._repeat(leased, lookup.answer, lookup.status, work)
            if options.only_cached:
                raise self._limiter.overloaded()
            with work.queue_slot():
                found = self._classify(leased, upload, work)
            return self._prediction(leased, found, lookup.keep(_answer_of(found)))

    def _repeat(
        self, leased: Leased, answer: Answer, status: CacheStatus, work: _Work
    ) -> Prediction:
        """Give what was found for somebody else; nobody worked, so nothing follows from it."""
        total_ms = (monotonic() - work.started_s) * 1000
        waited_ms = total_ms if status is CacheStatus.COLLAPSED else work.deadline.waited_s * 1000
        return Prediction(
            leased.classifier.ref,
            answer.classes,
            answer.image,
            Timings(waited_ms, 0.0, 0.0, 0.0, total_ms),
            self.is_stand_in(leased),
            answer.heatmap,
            status,
        )

    def _classify(self, leased: Leased, upload: SniffedPicture, work: _Work) -> _Found:
        deadline = work.deadline
        waiting_since_s = monotonic()
        with (
            work.permit(deadline),
            self._memory.reserve(upload.decoding_bytes(self._limits.max_pixels), deadline),
        ):
            _require_client(work.is_abandoned)
            queue_ms = (monotonic() - waiting_since_s + deadline.waited_s) * 1000
            prepared = leased.classifier.prepare(upload)
            scored = self._score(leased, prepared, work.options)
        timings = Timings(
            queue_ms,
            prepared.decode_ms,
            prepared.preprocess_ms,
            scored.inference_ms,
            (monotonic() - work.started_s) * 1000,
        )
        return _Found(scored, prepared.image, timings, prepared)

    def _classify_pixels(
        self,
        leased: Leased,
        pixels: Pixels,
        deadline: Deadline,
        top_k: int,
        is_abandoned: IsAbandoned,
    ) -> _Found:
        side = leased.classifier.side
        waiting_since_s = monotonic() - deadline.waited_s
        with _noticing_departure(is_abandoned), self._limiter.permit(deadline):
            _require_client(is_abandoned)
            queue_ms = (monotonic() - waiting_since_s) * 1000
            scored = self._infer(leased, pixels, top_k)
        total_ms = (monotonic() - waiting_since_s) * 1000
        timings = Timings(queue_ms, 0.0, 0.0, scored.inference_ms, total_ms)
        return _Found(scored, ImageInfo("RGB", side, side), timings)

    def _score(self, leased: Leased, prepared: Prepared, options: PredictionOptions) -> Scored:
        if not options.explains:
            return self._infer(leased, prepared.pixels, options.top_k)
        choice, classifier = leased
        try:
            with self.routing.noting_error(choice, classifier.ref):
                return classifier.explain(prepared, options.top_k)
        except EngineRefused as refusal:
            self.routing.record_refused_heatmaps(classifier.ref, refusal)
            raise HeatmapUnavailable(UNSOUND_HEATMAPS) from refusal

    def _infer(self, leased: Leased, pixels: Pixels, top_k: int) -> Scored:
        choice, classifier = leased
        with self.routing.noting_error(choice, classifier.ref):
            return classifier.infer(pixels, top_k)

    def _prediction(
        self, leased: Leased, found: _Found, status: CacheStatus = CacheStatus.NONE
    ) -> Prediction:
        choice, classifier = leased
        return Prediction(
            classifier.ref,
            found.scored.classes,
            found.image,
            found.timings,
            self.is_stand_in(leased),
            found.scored.heatmap,
            status,
            follow_up=self.routing.follow_up(choice, classifier, found.scored, found.prepared),
        )


def _question(classifier: Classifier, options: PredictionOptions) -> Question:
    engine = classifier.engine
    return Question(
        classifier.digest, engine.name, engine.precision, options.top_k, options.explains
    )


def _answer_of(found: _Found) -> Answer:
    return Answer(found.scored.classes, found.image, found.scored.heatmap)


@contextmanager
def _noticing_departure(is_abandoned: IsAbandoned) -> Iterator[None]:
    try:
        yield
    except DeadlineExceeded as error:
        if is_abandoned():
            raise ClientDisconnected("The client has gone before its turn came.") from error
        raise


def _require_client(is_abandoned: IsAbandoned) -> None:
    if is_abandoned():
        raise ClientDisconnected("The client has gone before its turn came.")


def _check_side(pixels: Pixels, classifier: Classifier) -> None:
    side = classifier.side
    if pixels.shape[1:] != (side, side, 3):
        found = " x ".join(str(one) for one in pixels.shape[1:])
        raise InvalidParameter(
            f"The model {classifier.ref.name} takes pictures of {side} x {side} x 3, not {found}."
        )
