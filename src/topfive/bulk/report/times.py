"""How long pictures took, step by step, and which took longest."""

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

STEPS = ("read_ms", "decode_ms", "inference_ms")
_MOST_SLOW = 20
# Steps of 1 percent, from a microsecond to 28 hours: what is told of them is as exact.
_EDGES: npt.NDArray[np.float64] = np.geomspace(1e-3, 1e8, 2546)


@dataclass(frozen=True, slots=True, order=True)
class SlowPicture:
    """A picture that took long: the sum of its steps and each, in milliseconds, and what it is."""

    total_ms: float
    path: str
    steps_ms: tuple[float, ...]
    size_bytes: int
    format: str
    width: int
    height: int
    error: str


class TimeTally:
    """Adds up times, counts them by length, and keeps the longest."""

    def __init__(self) -> None:
        self.pictures = 0
        self.slowest: list[SlowPicture] = []
        self._sums: npt.NDArray[np.float64] = np.zeros(len(STEPS))
        self._bins: npt.NDArray[np.int64] = np.zeros(len(_EDGES) - 1, np.int64)

    def add(self, batch: Any) -> None:
        """Take in a batch of rows, as `columns` has them."""
        if not batch.num_rows:
            return
        steps = np.stack([batch[name].to_numpy() for name in STEPS])
        totals = steps.sum(axis=0)
        self._keep_slowest(batch, steps, totals)
        done = batch["class_id"].is_valid().to_numpy(zero_copy_only=False)
        self.pictures += int(done.sum())
        self._sums += steps[:, done].sum(axis=1)
        inside = np.clip(totals[done], _EDGES[0], _EDGES[-1])
        self._bins += np.histogram(inside, _EDGES)[0]

    @property
    def mean_steps_ms(self) -> dict[str, float]:
        """The mean of each step, of the pictures that were classified."""
        means = self._sums / max(self.pictures, 1)
        return dict(zip(STEPS, map(float, means), strict=True))

    def percentile_ms(self, percent: float) -> float:
        """Tell the time that so many percent of the classified pictures took at most."""
        place = np.searchsorted(np.cumsum(self._bins), self.pictures * percent / 100)
        return float(_EDGES[min(int(place) + 1, len(_EDGES) - 1)])

    def _keep_slowest(
        self, batch: Any, steps: npt.NDArray[np.float64], totals: npt.NDArray[np.float64]
    ) -> None:
        least = self.slowest[-1].total_ms if len(self.slowest) == _MOST_SLOW else 0.0
        rows = np.argsort(totals)[-_MOST_SLOW:]
        found = [_slow(batch, int(row), steps, totals) for row in rows if totals[row] > least]
        self.slowest = heapq.nlargest(_MOST_SLOW, [*self.slowest, *found])


def _slow(
    batch: Any, row: int, steps: npt.NDArray[np.float64], totals: npt.NDArray[np.float64]
) -> SlowPicture:
    def read(name: str) -> Any:
        return batch[name][row].as_py()

    return SlowPicture(
        total_ms=float(totals[row]),
        path=read("path"),
        steps_ms=tuple(map(float, steps[:, row])),
        size_bytes=read("size_bytes"),
        format=read("format") or "",
        width=read("width") or 0,
        height=read("height") or 0,
        error=read("error"),
    )
