"""Where a chunked body ends (RFC 9112, section 7.1), found without decoding it."""

_LINE_END = b"\r\n"
# A chunk's size and its extensions.
_MAX_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 16 * 1024
# At an average of a kilobyte these are the chunks of 16 MB; a file of tiny ones costs seconds.
MAX_CHUNKS = 16 * 1024


class ChunkedBody:
    """Follows the chunks of one body as its bytes arrive."""

    def __init__(self, start: int) -> None:
        self._next_chunk = start
        self._chunks = 0
        self._is_last = False

    def find_end(self, received: bytearray) -> int | None:
        """Tell where the body ends in `received`; None while it has not.

        Raises ValueError where a chunk's size is none, or there are more than MAX_CHUNKS.
        """
        while not self._is_last:
            line_end = received.find(
                _LINE_END, self._next_chunk, self._next_chunk + _MAX_LINE_BYTES
            )
            if line_end == -1:
                if len(received) - self._next_chunk >= _MAX_LINE_BYTES:
                    raise ValueError("a chunk's size has no end")
                return None
            self._read_size(bytes(received[self._next_chunk : line_end]), line_end)
        return self._find_trailer_end(received)

    def _read_size(self, line: bytes, line_end: int) -> None:
        digits = line.partition(b";")[0].strip(b" \t")
        if not digits or not all(one in b"0123456789abcdefABCDEF" for one in digits):
            raise ValueError("a chunk's size is not a number")
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise ValueError(f"there are more than {MAX_CHUNKS} chunks")
        size = int(digits, 16)
        self._is_last = size == 0
        # The last chunk's line break may begin the empty line that ends the trailers.
        self._next_chunk = line_end if self._is_last else line_end + 2 + size + 2

    def _find_trailer_end(self, received: bytearray) -> int | None:
        limit = self._next_chunk + _MAX_TRAILER_BYTES
        end = received.find(2 * _LINE_END, self._next_chunk, limit)
        if end != -1:
            return end + 4
        if len(received) >= limit:
            raise ValueError("the trailers have no end")
        return None
