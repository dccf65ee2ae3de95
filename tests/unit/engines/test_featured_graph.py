"""A graph with features beside one without: when it is opened, by whom, and what if it is not."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from topfive.engines.contract import Engine, FeaturedLogits
from topfive.engines.featured_graph import FeaturedGraph
from topfive.errors import BundleRefused, EngineRefused

PIXELS = np.zeros((1, 2, 2, 3), np.uint8)


class Named:
    """An engine that gives its number."""

    name, precision, device = "fake", "bf16", "cpu"

    def __init__(self, number: int) -> None:
        self.number = np.array([number], np.float32)
        self.is_closed = False

    def infer(self, _pixels: np.ndarray) -> np.ndarray:
        """Give the number."""
        return self.number

    def infer_with_features(self, _pixels: np.ndarray) -> FeaturedLogits:
        """Give the number as the logits and as the features."""
        return FeaturedLogits(self.number, self.number.reshape(1, 1, 1))

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def test_it_is_opened_for_the_first_who_asks() -> None:
    """What needs no features has the plain engine, before and after."""
    plain, featured, opened = Named(1), Named(2), []
    engine = FeaturedGraph(plain, lambda: opened.append(2) or featured)
    assert (engine.name, engine.precision, engine.device) == ("fake", "bf16", "cpu")
    assert engine.infer(PIXELS) == 1
    assert opened == []
    assert [one.item() for one in engine.infer_with_features(PIXELS)] == [2, 2]
    assert [one.item() for one in engine.infer_with_features(PIXELS)] == [2, 2]
    assert engine.infer(PIXELS) == 1
    assert opened == [2]
    engine.close()
    assert (plain.is_closed, featured.is_closed) == (True, True)


def test_all_who_ask_meanwhile_wait_for_the_same() -> None:
    """One opens it; nobody else waits: pictures without a heatmap go on."""
    opened, opening, may_open = [], Event(), Event()

    def open_slowly() -> Engine:
        opened.append(2)
        opening.set()
        assert may_open.wait(30)
        return Named(2)

    engine = FeaturedGraph(Named(1), open_slowly)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(engine.infer_with_features, PIXELS) for _ in range(8)]
        assert opening.wait(30)
        assert engine.infer(PIXELS) == 1
        may_open.set()
        assert [one.result().logits.item() for one in asked] == [2] * 8
    assert opened == [2]
    engine.close()


@pytest.mark.parametrize("kind", [EngineRefused, BundleRefused])
def test_a_refusal_is_final(kind: type[Exception]) -> None:
    """It is told to all who ask, and not tried again; pictures without a heatmap go on."""
    opened = []

    def refuse() -> Engine:
        opened.append(2)
        raise kind("it disagrees")

    engine = FeaturedGraph(Named(1), refuse)
    for _ in range(3):
        with pytest.raises(EngineRefused, match="it disagrees"):
            engine.infer_with_features(PIXELS)
    assert opened == [2]
    assert engine.infer(PIXELS) == 1
    engine.close()


def test_closing_waits_for_what_is_being_opened() -> None:
    """It is closed too, and nothing is opened afterwards."""
    plain, featured, opening, may_open = Named(1), Named(2), Event(), Event()

    def open_slowly() -> Engine:
        opening.set()
        assert may_open.wait(30)
        return featured

    engine = FeaturedGraph(plain, open_slowly)
    with ThreadPoolExecutor(2) as threads:
        asked = threads.submit(engine.infer_with_features, PIXELS)
        assert opening.wait(30)
        closing = threads.submit(engine.close)
        may_open.set()
        closing.result()
        asked.result()
    assert (plain.is_closed, featured.is_closed) == (True, True)
    unused = FeaturedGraph(Named(1), lambda: Named(2))
    unused.close()
    with pytest.raises(EngineRefused, match="closed"):
        unused.infer_with_features(PIXELS)
