"""More inferences at once than an engine has slots: its graph once more, compiled when needed."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Semaphore, Thread

import numpy as np
from numpy.typing import NDArray

from topfive.engines.contract import Engine, FeaturedLogits
from topfive.errors import EngineRefused


class SpareGraph:
    """An engine for `slots` inferences at once, and beside it a spare one for those beyond.

    Slots of one graph in OpenVINO cost each other time; where it has one it computes on the thread
    that asks. So single pictures keep the first, and batches may have more. `open_spare` takes half
    a second and more memory: it is called in the background, when no slot was free for the first
    time, and until it is done everything waits for the first.
    """

    def __init__(self, first: Engine, slots: int, open_spare: Callable[[], Engine]) -> None:
        self.name, self.precision, self.device = first.name, first.precision, first.device
        self._first = first
        self._free = Semaphore(slots)
        self._open_spare = open_spare
        self._opening = Lock()
        self._thread: Thread | None = None
        self._spare: Engine | None = None
        self._is_closed = False

    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        engine = self._take()
        try:
            return engine.infer(pixels)
        finally:
            self._give_back(engine)

    def infer_with_features(self, pixels: NDArray[np.uint8]) -> FeaturedLogits:
        """Score the same pixels, and give the features too."""
        engine = self._take()
        try:
            return engine.infer_with_features(pixels)
        finally:
            self._give_back(engine)

    def close(self) -> None:
        """Give the memory of both back; nothing may be inferred any more."""
        with self._opening:
            self._is_closed = True
        if self._thread is not None:
            self._thread.join()
        if self._spare is not None:
            self._spare.close()
        self._first.close()

    def _take(self) -> Engine:
        """Give the first where it has a free slot, else the spare one, or the first in turn."""
        if not self._free.acquire(blocking=False):
            if self._spare is not None:
                return self._spare
            self._begin_to_open()
            self._free.acquire()
        return self._first

    def _give_back(self, engine: Engine) -> None:
        if engine is self._first:
            self._free.release()

    def _begin_to_open(self) -> None:
        with self._opening:
            if self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._open, name="topfive-spare-graph", daemon=True)
                self._thread.start()

    def _open(self) -> None:
        # Without it everything goes on waiting for the first.
        with suppress(EngineRefused):
            self._spare = self._open_spare()
