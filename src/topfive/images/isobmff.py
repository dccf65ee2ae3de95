"""The boxes of the ISO base media file format, in which AVIF and HEIC pictures lie.

Read as ISO/IEC 14496-12 (4.2) places them, no more and no deeper than a picture needs.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from topfive.errors import InvalidImage

# A photo has some dozens of boxes, and some hundreds if it is a grid.
MAX_BOXES = 10_000
MAX_DEPTH = 12

# Boxes made of boxes, and how many bytes come before the first of them.
_CONTAINERS = {
    b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0,
    b"stsd": 8, b"av01": 78, b"hvc1": 78, b"hev1": 78,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def read_brands(data: bytes) -> list[bytes]:
    """Read the brands of a file, the major one first; none if it is no such file."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4]), len(data), 4096)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]


def read_boxes(data: bytes) -> list[Box]:
    """Read all boxes of a file, those within others too, in the order in which they begin.

    Raises InvalidImage if they are too many or too deep, struct.error or IndexError if one is cut
    off.
    """
    boxes = []
    for box in walk(data, 0, len(data)):
        boxes.append(box)
        if len(boxes) > MAX_BOXES:
            raise InvalidImage(f"The picture's file has more than {MAX_BOXES} boxes.")
    return boxes


def walk(data: bytes, position: int, end: int, depth: int = 0) -> Iterator[Box]:
    """Yield the boxes between two places and those within them; raises as `read_boxes` does."""
    if depth > MAX_DEPTH:
        raise InvalidImage("The picture's file has boxes within too many others.")
    while position + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        # A length of 0 means up to the end.
        position = min(position + length, end) if length else end
        if position < start:
            return
        yield Box(kind, start, position)
        if kind in _CONTAINERS:
            yield from walk(data, start + _CONTAINERS[kind], position, depth + 1)
        elif kind == b"iinf":
            yield from walk(data, start + (8 if data[start] else 6), position, depth + 1)


class Numbers:
    """Reads whole numbers of so many bytes, one after another."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position

    def read(self, count: int) -> int:
        """Read one number of `count` bytes; raises IndexError behind the end."""
        end = self._position + count
        if end > len(self._data):
            raise IndexError(end)
        number = int.from_bytes(self._data[self._position : end])
        self._position = end
        return number
