"""How fast engines are here: measured side by side, where nothing but their time decides."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from topfive.engines.contract import Engine

# The lesser precision has to be worth it, and chance is not to decide between equals.
_LEAST_GAIN = 0.1
_LEAST_ROUNDS, _MOST_ROUNDS = 4, 20
# Of a small model many rounds fit into this, of a large one few: no start waits for it for long.
_ENOUGH_S = 0.3


def measure_ms(engines: Sequence[Engine], side: int) -> list[float]:
    """Tell how many milliseconds each engine takes for a picture of that side, at its best.

    They take turns, so that what else the machine does meets them all; and the shortest time is
    what is left of each where other workers start beside this one.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    times_ms: list[list[float]] = []
    started = perf_counter()
    while len(times_ms) < _LEAST_ROUNDS or (
        len(times_ms) < _MOST_ROUNDS and perf_counter() - started < _ENOUGH_S
    ):
        times_ms.append([_time_ms(engine, pixels) for engine in engines])
    return [min(of_engine) for of_engine in zip(*times_ms, strict=True)]


def is_worth_it(lesser_ms: float, other_ms: float) -> bool:
    """Tell whether the lesser precision is so much faster that it is to serve."""
    return lesser_ms < other_ms * (1 - _LEAST_GAIN)


def _time_ms(engine: Engine, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    started = perf_counter()
    engine.infer(pixels)
    return (perf_counter() - started) * 1000
