"""A request's body as its app reads it while it arrives."""

from collections.abc import Callable, Iterator
from typing import Any

from topfive.server.chunked import MAX_CHUNKS
from topfive.server.http import BrokenRequest

_STEP_BYTES = 256 * 1024
# Among so many chunks smaller ones than this are no mistake of the network: reading each costs some
# microseconds, however little is in it.
_LEAST_MEAN_BYTES = 256


class ArrivingBody:
    """A body that a thread reads from its connection.

    `reader` waits for as many bytes as it is asked for; `ready` tells how many it has already. What
    it raises as `broken` becomes BrokenRequest.
    """

    def __init__(
        self, reader: Any, ready: Callable[[], int], broken: type[Exception] = BrokenRequest
    ) -> None:
        self._reader = reader
        self._ready = ready
        self._broken = broken
        self._failure: Exception | None = None

    def read(self, size: int | None = None) -> bytes:
        """Read so many bytes, or all, waiting for them; fewer at the end of the body.

        Raises BrokenRequest where they are not HTTP, TimeoutError where they do not come, and
        ConnectionAbortedError where the client has gone.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self._read(_STEP_BYTES), b""))
        return self._read(size)

    def read1(self, size: int = -1) -> bytes:
        """Read what has come, at most `size` bytes, waiting only where there is nothing.

        No bytes are the end of the body. Raises what `read` raises.
        """
        most = _STEP_BYTES if size < 0 else size
        first = self._read(min(1, most))
        more = min(most - 1, self._ready()) if first else 0
        return first + self._read(more) if more > 0 else first

    def _read(self, size: int) -> bytes:
        if self._failure is not None:
            # Nobody knows what further bytes would be part of.
            raise self._failure
        try:
            return bytes(self._reader.read(size))
        except self._broken as error:
            self._failure = BrokenRequest()
            raise self._failure from error
        except (OSError, BrokenRequest) as error:
            self._failure = error
            raise


def few_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on the pieces of a chunked body; raises BrokenRequest at a flood of tiny ones."""
    total_bytes = 0
    for count, piece in enumerate(pieces, 1):
        total_bytes += len(piece)
        if count > MAX_CHUNKS and total_bytes < count * _LEAST_MEAN_BYTES:
            raise BrokenRequest
        yield piece
