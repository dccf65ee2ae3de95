"""Batches from a thread, with an eye on whether anybody is left who works."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from topfive.bulk.cluster import stream
from topfive.bulk.cluster.stream import Stream
from topfive.errors import BulkStopped

Batch = dict[str, Any]


class Nodes:
    """A cluster that is there, or has gone."""

    def __init__(self, *, are_there: bool = True) -> None:
        self._are_there = are_there

    def require_head(self) -> None:
        """Do nothing: the head is there."""

    def wait_for_any(self) -> None:
        """Raise if nobody is there."""
        if not self._are_there:
            raise BulkStopped("All nodes have gone.")


def failing() -> Iterator[Batch]:
    """Give one batch, then fail."""
    yield {"message": [1]}
    raise RuntimeError("the store is full\nsee the log")


def test_batches_come_in_order() -> None:
    """Each of them once, then the end."""
    batches = [{"message": [number]} for number in range(50)]
    assert list(Stream(batches, Nodes())) == batches


def test_what_the_library_raises_is_told_in_one_line() -> None:
    """What came before is not lost."""
    found = iter(Stream(failing(), Nodes()))
    assert next(found) == {"message": [1]}
    with pytest.raises(BulkStopped, match=r"the store is full\. What is finished is kept"):
        next(found)


def test_nobody_waits_for_nodes_that_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The iterator of the library would wait for ever."""
    monkeypatch.setattr(stream, "_LOOK_EVERY_S", 0.01)
    stands_still = Event()

    def waiting() -> Iterator[Batch]:
        stands_still.wait()
        yield {}

    with pytest.raises(BulkStopped, match="gone"):
        next(iter(Stream(waiting(), Nodes(are_there=False))))
    stands_still.set()
