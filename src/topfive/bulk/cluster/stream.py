"""What Ray Data gives, batch by batch, with an eye on whether anybody is left who works."""

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Any, Protocol

from topfive.errors import BulkStopped

_LOOK_EVERY_S = 2.0
_MOST_WAITING = 16


class Watched(Protocol):
    """What is asked now and then."""

    def require_head(self) -> None:
        """Do nothing as long as the cluster is there; raises BulkStopped."""

    def wait_for_any(self) -> None:
        """Return as soon as somebody can work; raises BulkStopped if nobody comes."""


class Stream:
    """Reads batches in a thread, as their iterator waits for ever for a node that has gone."""

    def __init__(self, batches: Iterable[dict[str, Any]], cluster: Watched) -> None:
        self._batches = batches
        self._cluster = cluster
        self._looked_s = monotonic()
        self._read: Queue[dict[str, Any] | BaseException | None] = Queue(_MOST_WAITING)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give each batch; raises BulkStopped where Ray fails or all nodes have gone."""
        Thread(target=self._collect, daemon=True).start()
        while (batch := self._next()) is not None:
            if isinstance(batch, BaseException):
                raise BulkStopped(
                    f"Ray cannot go on: {first_line(batch)} What is finished is kept; go on with "
                    "--resume."
                ) from batch
            yield batch

    def _next(self) -> dict[str, Any] | BaseException | None:
        while True:
            if monotonic() - self._looked_s >= _LOOK_EVERY_S:
                self._cluster.require_head()
                self._looked_s = monotonic()
            try:
                return self._read.get(timeout=_LOOK_EVERY_S)
            except Empty:
                # Before any question to the cluster: without its head that would wait for ever.
                self._cluster.require_head()
                self._cluster.wait_for_any()

    def _collect(self) -> None:
        try:
            for batch in self._batches:
                self._read.put(batch)
        except Exception as error:  # noqa: BLE001 - a loop that ends with nobody to hear of it
            self._read.put(error)
        else:
            self._read.put(None)


def first_line(error: BaseException) -> str:
    """Tell the first line of what a library says, as a sentence."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if line.endswith(".") else f"{line}."
