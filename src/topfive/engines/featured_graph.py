"""Features only for those who ask: the graph that gives them, opened when one first does."""

from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from topfive.engines.contract import Engine, FeaturedLogits
from topfive.errors import EngineRefused, Mistake


class FeaturedGraph:
    """An engine that gives logits alone, and beside it one that gives features too.

    Features that a graph gives cost every picture, asked for or not (decision 33). So pictures keep
    the plain engine, and `open_featured`, which takes half a second and more memory, is called when
    features are asked for the first time: whoever asks meanwhile waits for it. If it is refused,
    that is final.
    """

    def __init__(self, plain: Engine, open_featured: Callable[[], Engine]) -> None:
        self.name, self.precision, self.device = plain.name, plain.precision, plain.device
        self.infer = plain.infer
        self._plain = plain
        self._open_featured = open_featured
        self._opening = Lock()
        self._featured: Engine | None = None
        self._refusal = ""

    def infer_with_features(self, pixels: NDArray[np.uint8]) -> FeaturedLogits:
        """Score pixels as `infer` does, and give the features too.

        Raises EngineRefused where the graph with features cannot be used.
        """
        return self._open().infer_with_features(pixels)

    def close(self) -> None:
        """Give the memory of both back; nothing may be inferred any more."""
        with self._opening:
            self._refusal = "It was closed."
            if self._featured is not None:
                self._featured.close()
        self._plain.close()

    def _open(self) -> Engine:
        if self._featured is not None:
            return self._featured
        with self._opening:
            if self._refusal:
                raise EngineRefused(self._refusal)
            if self._featured is None:
                self._featured = self._try_to_open()
            return self._featured

    def _try_to_open(self) -> Engine:
        try:
            return self._open_featured()
        except Mistake as refusal:
            self._refusal = str(refusal)
            raise EngineRefused(self._refusal) from refusal
