"""A graph once more for what finds no free slot: when it is opened, and who gets which."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep

import numpy as np
import pytest

from topfive.engines.contract import FeaturedLogits
from topfive.engines.spare_graph import SpareGraph
from topfive.errors import EngineRefused

PIXELS = np.zeros((1, 2, 2, 3), np.uint8)


class Named:
    """An engine that gives its number, and waits where it is told to."""

    name, precision, device = "fake", "f32", "cpu"

    def __init__(self, number: int) -> None:
        self.number = number
        self.begun, self.may_end = Event(), Event()
        self.may_end.set()
        self.is_closed = False

    def infer(self, _pixels: np.ndarray) -> np.ndarray:
        """Give the number."""
        self.begun.set()
        assert self.may_end.wait(30)
        return np.array([self.number], np.float32)

    def infer_with_features(self, pixels: np.ndarray) -> FeaturedLogits:
        """Give the number as the logits and as the features."""
        return FeaturedLogits(self.infer(pixels), np.full((1, 1, 1), self.number, np.float32))

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    until_s = monotonic() + 30
    while not is_true():
        assert monotonic() < until_s, "what was waited for never came"
        sleep(0.001)


@contextmanager
def busy(first: Named, engine: SpareGraph) -> Iterator[None]:
    """Keep the only slot of the first one busy."""
    first.begun.clear()
    first.may_end.clear()
    thread = Thread(target=engine.infer, args=(PIXELS,))
    thread.start()
    assert first.begun.wait(30)
    try:
        yield
    finally:
        first.may_end.set()
        thread.join()


def test_within_its_slots_an_engine_is_alone() -> None:
    """No memory is taken for what nobody needs."""
    opened: list[int] = []
    first = Named(1)
    engine = SpareGraph(first, 1, lambda: opened.append(2) or Named(2))
    assert [engine.infer(PIXELS)[0] for _ in range(3)] == [1, 1, 1]
    assert [one.item() for one in engine.infer_with_features(PIXELS)] == [1, 1]
    assert opened == []
    engine.close()
    assert first.is_closed


def test_beyond_its_slots_the_spare_graph_computes() -> None:
    """Once it is there; with a slot free the first one is asked again."""
    first, spare, opened = Named(1), Named(2), []
    engine = SpareGraph(first, 1, lambda: opened.append(2) or spare)
    found: list[float] = []
    waiting = Thread(target=lambda: found.append(engine.infer(PIXELS)[0]))
    with busy(first, engine):
        waiting.start()
        wait_until(lambda: bool(opened))
        wait_until(lambda: engine.infer(PIXELS)[0] == 2 if engine._spare else False)
    waiting.join()
    assert found == [1], "who waited while it was opened waits for the first"
    assert engine.infer(PIXELS)[0] == 1
    assert opened == [2]
    engine.close()
    assert (first.is_closed, spare.is_closed) == (True, True)


def test_without_a_spare_graph_everything_waits_for_the_first() -> None:
    """Where it cannot be opened nobody is told so: all is answered, one after the other."""

    def refuse() -> Named:
        raise EngineRefused("no memory")

    first = Named(1)
    engine = SpareGraph(first, 1, refuse)
    found: list[float] = []
    threads = [Thread(target=lambda: found.append(engine.infer(PIXELS)[0])) for _ in range(3)]
    with busy(first, engine):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1]
    engine.close()


def test_closing_waits_for_the_spare_graph_that_is_being_opened() -> None:
    """It is closed too, and none is opened afterwards."""
    first, spare, opening, may_open = Named(1), Named(2), Event(), Event()

    def open_slowly() -> Named:
        opening.set()
        assert may_open.wait(30)
        return spare

    engine = SpareGraph(first, 1, open_slowly)
    second = Thread(target=engine.infer, args=(PIXELS,))
    with busy(first, engine):
        second.start()
        assert opening.wait(30)
    second.join()
    closing = Thread(target=engine.close)
    closing.start()
    may_open.set()
    closing.join()
    assert (first.is_closed, spare.is_closed) == (True, True)


def test_an_error_frees_its_slot() -> None:
    """The next one is worked on as ever."""

    class Failing(Named):
        def infer(self, pixels: np.ndarray) -> np.ndarray:
            if pixels.any():
                raise RuntimeError
            return super().infer(pixels)

    engine = SpareGraph(Failing(1), 1, lambda: Named(2))
    for _ in range(2):
        with pytest.raises(RuntimeError):
            engine.infer(PIXELS + np.uint8(1))
    assert engine.infer(PIXELS)[0] == 1
    engine.close()
