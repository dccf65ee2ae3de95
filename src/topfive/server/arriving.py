"""A request's body as its app reads it while it arrives."""

from collections.abc import Callable, Iterator
from typing import Any

from topfive.server.chunked import MAX_CHUNKS
from topfive.server.http import BrokenRequest

_STEP_BYTES = 256 * 1024
# Among so many chunks smaller ones than this are no mistake of the network: reading each costs some
# microseconds, however little is in it.
_LEAST_MEAN_BYTES = 256


def _has_come(_timeout_s: float) -> bool:
    return True


class ArrivingBody:
    """A body that a thread reads from its connection.

    `reader` waits for as many bytes as it is asked for; `ready` tells how many it has already. What
    it raises as `broken` becomes BrokenRequest. `wait` waits so many seconds for bytes to be read.
    """

    def __init__(
        self,
        reader: Any,
        ready: Callable[[], int],
        broken: type[Exception] = BrokenRequest,
        wait: Callable[[float], bool] = _has_come,
    ) -> None:
        self._reader = reader
        self._ready = ready
        self._broken = broken
        self._wait = wait
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

    def has_come(self, timeout_s: float) -> bool:
        """Tell whether there is something to read, or nothing more comes; waits so long for it.

        Whoever has something else to do meanwhile asks before it reads.
        """
        return self._failure is not None or self._ready() > 0 or self._wait(timeout_s)

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


class Portions:
    """What has come of a chunked body, given out no further than it is asked for.

    Gunicorn's parser keeps what it is given, and does not tell how much of it: here it is seen.
    """

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def __bool__(self) -> bool:
        """Tell whether there is more than the line break that ends each chunk."""
        return len(self._data) - self._at > len(b"\r\n")

    def take(self, size: int | None, further: bytes = b"") -> bytes:
        """Give at most `size` bytes, or one line, of what there is, or of `further` bytes."""
        if further:
            self._data, self._at = further, 0
        begin = self._at
        end = begin + size if size else self._data.find(b"\n", begin) + 1
        self._at = min(end or len(self._data), len(self._data))
        return self._data[begin : self._at]

    def take_all(self) -> bytes:
        """Give all that there is."""
        return self.take(len(self._data))


def few_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on the pieces of a chunked body; raises BrokenRequest at a flood of tiny ones."""
    total_bytes = 0
    # The parser gives an empty piece where it has read no further than to a chunk's size.
    for count, piece in enumerate(filter(None, pieces), 1):
        total_bytes += len(piece)
        if count > MAX_CHUNKS and total_bytes < count * _LEAST_MEAN_BYTES:
            raise BrokenRequest
        yield piece
