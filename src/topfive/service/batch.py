"""Batches: many pictures of one caller, classified side by side by one version of a model."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import get_native_id

from topfive.concurrency.limiter import Deadline
from topfive.errors import ClientDisconnected, Failure, InternalError, ShuttingDown
from topfive.predictions import ModelRef, Prediction, PredictionOptions
from topfive.service.predictor import IsAbandoned, Predictor, is_never_abandoned
from topfive.service.routing import Leased
from topfive.telemetry.logs import get_logger

# Of each thread one picture is at work and one waits, so that no thread waits for an upload.
_PICTURES_PER_THREAD = 2
# Beside single pictures the threads of batches get a third of a CPU's time (sched(7): each step of
# niceness weighs 1.25 times less).
_NICER_BY = 5

Result = Prediction | Failure


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How batches are worked on: by how many threads, and how long one picture may wait.

    While a batch's pictures in memory have `most_bytes`, no further one is read.
    """

    threads: int
    picture_timeout_s: float
    most_bytes: int


class Batches:
    """The batches of one worker: their pictures share its threads."""

    def __init__(
        self, predictor: Predictor, options: BatchOptions, has_to_end: Callable[[], bool]
    ) -> None:
        self._predictor = predictor
        self._options = options
        self._has_to_end = has_to_end
        # It starts threads when there is work for them.
        self._threads = ThreadPoolExecutor(
            options.threads, thread_name_prefix="batch", initializer=_yield_to_others
        )

    @contextmanager
    def open(self, asked: PredictionOptions) -> Iterator["Batch"]:
        """Begin a batch; what its options choose is the same for all its pictures.

        Raises what `Routing.lease` raises.
        """
        with self._predictor.lease(asked) as leased:
            work = partial(self._classify, leased, asked)
            is_degraded = self._predictor.is_stand_in(leased)
            batch = Batch(leased.classifier.ref, is_degraded, self._options, work)
            try:
                yield batch
            finally:
                batch.end()

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _classify(
        self,
        leased: Leased,
        asked: PredictionOptions,
        picture: bytes,
        deadline: Deadline,
        is_abandoned: IsAbandoned,
    ) -> "Future[Result]":
        """Have a picture classified when a thread is free."""
        if self._has_to_end():
            return _known(ShuttingDown())
        # What the log says of the request is in the thread's context.
        work = partial(self._predictor.predict_leased, leased, picture, deadline)
        return self._threads.submit(copy_context().run, _outcome, work, asked, is_abandoned)


class Batch:
    """One batch: which model classifies its pictures, and those that are at work or wait for it."""

    def __init__(
        self,
        model: ModelRef,
        is_degraded: bool,
        options: BatchOptions,
        classify: Callable[[bytes, Deadline, IsAbandoned], "Future[Result]"],
    ) -> None:
        self.model = model
        self.is_degraded = is_degraded
        self._options = options
        self._classify = classify
        self._window: deque[tuple[Future[Result], int]] = deque()

    def predict(
        self,
        pictures: Iterable[bytes | Failure | None],
        deadline: Deadline,
        is_abandoned: IsAbandoned = is_never_abandoned,
    ) -> Iterator[Result]:
        """Classify pictures while they come, and give the results in their order.

        For a failure in a picture's place the result is that failure. None says that there is no
        further picture yet: then results that are ready are given. Raises ClientDisconnected where
        `is_abandoned` says so, and what `pictures` raises.
        """
        for picture in pictures:
            if picture is not None:
                self._begin(picture, deadline, is_abandoned)
            while self._window and (self._is_full() or self._window[0][0].done()):
                yield self._end_first()
        while self._window:
            yield self._end_first()

    def end(self) -> None:
        """Take back what has not begun, and wait for what has."""
        begun = [future for future, _ in self._window if not future.cancel()]
        self._window.clear()
        wait(begun)

    def _begin(
        self, picture: bytes | Failure, deadline: Deadline, is_abandoned: IsAbandoned
    ) -> None:
        if isinstance(picture, Failure):
            self._window.append((_known(picture), 0))
            return
        at_s = min(deadline.at_s, Deadline.after(self._options.picture_timeout_s).at_s)
        future = self._classify(picture, Deadline(at_s), is_abandoned)
        self._window.append((future, len(picture)))

    def _is_full(self) -> bool:
        taken_bytes = sum(count for _, count in self._window)
        most = self._options.threads * _PICTURES_PER_THREAD
        return len(self._window) >= most or taken_bytes >= self._options.most_bytes

    def _end_first(self) -> Result:
        result = self._window.popleft()[0].result()
        if isinstance(result, ClientDisconnected):
            raise result
        return result


def _outcome(
    work: Callable[[PredictionOptions, IsAbandoned], Prediction],
    asked: PredictionOptions,
    is_abandoned: IsAbandoned,
) -> Result:
    """Do the work for one picture; whatever goes wrong is the failure of that one."""
    try:
        return work(asked, is_abandoned)
    except Failure as failure:
        return failure
    except Exception as error:  # noqa: BLE001 - the worker loop of batches
        get_logger().exception("unforeseen_error", kind=type(error).__name__)
        return InternalError()


def _known(failure: Failure) -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_result(failure)
    return future


def _yield_to_others() -> None:
    """Let this thread have less of the CPU than those of single pictures, where that can be set."""
    thread = get_native_id()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, 0) + _NICER_BY)
