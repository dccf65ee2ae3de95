"""Shadows: a model that classifies pictures after others have answered, in spare capacity alone."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Protocol

from topfive.classify.classifier import Classifier, Prepared
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import Failure
from topfive.models import ShadowView
from topfive.predictions import ClassScore, ModelRef

# While the CPUs are not idle, they are looked at no more often than that.
_LOOKS_AGAIN_AFTER_S = 0.1
# A shadow that has not ended by then is left behind with the process.
_ENDS_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class AnsweredPicture:
    """A picture that was answered: decoded, with its best class and the labels it is one of."""

    prepared: Prepared
    best: ClassScore
    labels: tuple[str, ...]
    answered_by: ModelRef


class ShadowReport(Protocol):
    """What is told of each picture that was to be classified by a shadow.

    An outcome is `agreed`, `disagreed` or `failed`. A picture is dropped as `busy` (there is no
    capacity to spare), `memory` (none is free), `shrunk` (too far, while it was decoded) or
    `unavailable` (the shadow is not loaded).
    """

    def count_shadow(self, model: ModelRef, outcome: str, inference_ms: float) -> None:
        """Count a picture that a shadow has classified, or failed to."""

    def count_shadow_dropped(self, reason: str) -> None:
        """Count a picture that was left out."""


class Shadows:
    """Classifies answered pictures again, one at a time, in a thread of its own.

    `lease` hands out a loaded classifier, or raises a Failure; `has_spare` tells whether the worker
    could begin more work now, and `has_idle_cpus`, given for how many seconds in all this was at
    work, whether nothing else uses them.
    """

    def __init__(
        self,
        lease: Callable[[ShadowView], AbstractContextManager[Classifier]],
        has_spare: Callable[[], bool],
        memory: MemoryBudget,
        report: ShadowReport,
        has_idle_cpus: Callable[[float], bool] = lambda _own_s: True,
    ) -> None:
        self._lease = lease
        self._has_spare = has_spare
        self._memory = memory
        self._report = report
        self._has_idle_cpus = has_idle_cpus
        self._own_s = 0.0
        self._rests_until_s = 0.0
        self._turn = Lock()
        self._work: SimpleQueue[tuple[ShadowView, AnsweredPicture] | None] = SimpleQueue()
        self._starting = Lock()
        self._thread: Thread | None = None
        self._is_closed = False

    def offer(self, shadow: ShadowView, picture: AnsweredPicture) -> None:
        """Have a shadow classify a picture if there is capacity to spare now; never waits."""
        is_resting = self._is_closed or monotonic() < self._rests_until_s
        if is_resting or not self._has_spare() or not self._turn.acquire(blocking=False):
            self._report.count_shadow_dropped("busy")
            return
        if not self._memory.take(picture.prepared.decoded.held_bytes):
            self._turn.release()
            self._report.count_shadow_dropped("memory")
            return
        self._work.put((shadow, picture))
        self._start()

    def close(self) -> None:
        """Take no more pictures, and wait for the one at work."""
        with self._starting:
            self._is_closed = True
        self._work.put(None)
        if self._thread:
            self._thread.join(_ENDS_WITHIN_S)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._run, name="topfive-shadow", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            held_bytes = work[1].prepared.decoded.held_bytes
            try:
                self._classify(*work)
            except Failure:
                self._report.count_shadow_dropped("unavailable")
            finally:
                # The picture is let go of before the next one is waited for.
                del work
                self._memory.give_back(held_bytes)
                self._turn.release()

    def _classify(self, shadow: ShadowView, picture: AnsweredPicture) -> None:
        if not self._has_idle_cpus(self._own_s):
            self._rests_until_s = monotonic() + _LOOKS_AGAIN_AFTER_S
            self._report.count_shadow_dropped("busy")
            return
        if not self._has_spare():
            self._report.count_shadow_dropped("busy")
            return
        with self._lease(shadow) as classifier:
            if classifier.ref == picture.answered_by:
                return
            began_s = monotonic()
            try:
                self._compare(classifier, picture)
            except Exception:  # noqa: BLE001 - a worker's loop: a shadow's fault is counted alone
                self._report.count_shadow(classifier.ref, "failed", 0.0)
            finally:
                self._own_s += monotonic() - began_s

    def _compare(self, classifier: Classifier, picture: AnsweredPicture) -> None:
        prepared = classifier.reuse(picture.prepared)
        if prepared is None:
            self._report.count_shadow_dropped("shrunk")
            return
        scored = classifier.infer(prepared.pixels, 1)
        is_same = _agree(picture, scored.classes[0], classifier)
        outcome = "agreed" if is_same else "disagreed"
        self._report.count_shadow(classifier.ref, outcome, scored.inference_ms)


class NoShadows:
    """Stands in where no model can be a shadow."""

    def offer(self, _shadow: ShadowView, _picture: AnsweredPicture) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _agree(picture: AnsweredPicture, best: ClassScore, classifier: Classifier) -> bool:
    """Compare two best classes: by number where the labels are the same, else by name."""
    if picture.labels == classifier.bundle.labels:
        return picture.best.class_id == best.class_id
    return picture.best.class_name == best.class_name
