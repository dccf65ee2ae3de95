"""Takes the long texts out of JSON that arrives piece by piece.

A parser keeps a text whole, and begins it anew with every piece of it that comes. What is left
here for it to parse is as short as the JSON would be without pictures.
"""

import re
from collections import deque

from topfive.api.batch.contents import BoundedBytes

# What a text is replaced by: itself behind INLINE, or TAKEN, where it is the next one of `taken`.
# No text of a caller's can be mistaken for either.
INLINE, TAKEN = "=", "~"
_MOST_INLINE_BYTES = 256
# A text up to the quotation mark that ends it: no escape is begun and not ended (RFC 8259, 7).
_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class LongTexts:
    """The texts of one JSON document; what is longer than `most_bytes` is dropped as it comes."""

    def __init__(self, most_bytes: int) -> None:
        self.taken: deque[BoundedBytes] = deque()
        self._most_bytes = most_bytes
        self._text: BoundedBytes | None = None
        self._held = b""

    @property
    def text_bytes(self) -> int:
        """How much has come of the text that has not ended yet."""
        return self._text.count if self._text else 0

    def take_from(self, data: bytes) -> bytes:
        """Return the JSON as it goes on in `data`, with its texts replaced."""
        data = self._held + data
        self._held = b""
        left: list[bytes] = []
        position = 0
        while position < len(data):
            if self._text is None:
                position = self._pass_over(data, position, left)
            else:
                position = self._read_text(self._text, data, position, left)
        return b"".join(left)

    def _pass_over(self, data: bytes, position: int, left: list[bytes]) -> int:
        """Leave what is before the next text; returns where the text begins."""
        begin = data.find(b'"', position)
        if begin == -1:
            left.append(data[position:])
            return len(data)
        left.append(data[position:begin])
        self._text = BoundedBytes(self._most_bytes)
        return begin + 1

    def _read_text(self, text: BoundedBytes, data: bytes, position: int, left: list[bytes]) -> int:
        """Read a text as far as it has come; returns where what follows begins."""
        found = _TEXT.match(data, position)
        assert found is not None  # noqa: S101 - an empty text matches
        end = found.end()
        if end > position:
            text.add(data[position:end])
        if end == len(data):
            return end
        if data[end : end + 1] == b"\\":
            # The escape goes on in what comes next.
            self._held = data[end:]
            return len(data)
        left.append(self._replace(text))
        self._text = None
        return end + 1

    def _replace(self, text: BoundedBytes) -> bytes:
        if text.count <= _MOST_INLINE_BYTES:
            return b'"' + INLINE.encode() + text.join() + b'"'
        self.taken.append(text)
        return b'"' + TAKEN.encode() + b'"'
