"""The items of an AVIF or HEIC file: where their data lies, what they have and are made of.

Read as ISO/IEC 14496-12 (8.11) and ISO/IEC 23008-12 (6.6, 9.3) place them, with bounds on all that
a decoder would make room for or search through: some kilobytes of empty items can take a core for
minutes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from topfive.errors import InvalidImage
from topfive.images.isobmff import Box, Numbers, walk

# As many items as libheif allows; decoders search for each among all others.
MAX_ITEMS = 1000
MAX_EXTENTS = 4096
# A grid names its cells, and some writers name each more than once.
MAX_REFERENCES = 4096
# An item has about five properties.
MAX_ASSOCIATIONS = 16_384
# Writers store equal pieces once; what is stored once and decoded often is small.
MAX_SHARED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    is_in_idat: bool
    extents: list[tuple[int, int]]


def read_item_types(data: bytes, boxes: list[Box]) -> set[tuple[int, bytes]]:
    """Read the number and type of each item; raises InvalidImage if they are too many."""
    entries = [box for box in boxes if box.kind == b"infe"]
    _at_most(len(entries), MAX_ITEMS, "items")
    kinds = set()
    for box in entries:
        code = ">IH4s" if data[box.start] == 3 else ">HH4s"
        number, _, kind = struct.unpack_from(code, data, box.start + 4)
        kinds.add((number, kind))
    return kinds


def _read_items(data: bytes, box: Box) -> Iterator[_Item]:
    """Read where each item's data lies: an iloc box."""
    numbers = Numbers(data, box.start)
    version = numbers.read(4) >> 24
    widths = numbers.read(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (
        widths >> at & 15 for at in (12, 8, 4, 0)
    )
    count = numbers.read(4 if version == 2 else 2)
    for _ in range(_at_most(count, MAX_ITEMS, "items")):
        number = numbers.read(4 if version == 2 else 2)
        method = numbers.read(2) & 15 if version else 0
        numbers.read(2)
        base, extents = numbers.read(base_bytes), []
        for _ in range(_at_most(numbers.read(2), MAX_EXTENTS, "extents")):
            numbers.read(index_bytes if version else 0)
            offset = base + numbers.read(offset_bytes)
            extents.append((offset, numbers.read(length_bytes)))
        yield _Item(number, method == 1, extents)


def read_contents(data: bytes, boxes: list[Box]) -> Iterator[tuple[int, bytes]]:
    """Yield each item's number and data; raises InvalidImage if there is too much of anything."""
    items = [item for box in boxes if box.kind == b"iloc" for item in _read_items(data, box)]
    _at_most(len(items), MAX_ITEMS, "items")
    idat = [box for box in boxes if box.kind == b"idat"]
    if len(idat) > 1:
        raise InvalidImage("The picture's file has two boxes for its items' data.")
    _at_most(sum(len(item.extents) for item in items), MAX_EXTENTS, "extents")
    lengths = (length or len(data) for item in items for _, length in item.extents)
    if max(accumulate(lengths), default=0) > len(data) + MAX_SHARED_BYTES:
        raise InvalidImage("The picture's file has items that are made of the same data.")
    for item in items:
        start, end = (idat[0].start, idat[0].end) if idat and item.is_in_idat else (0, len(data))
        parts = (
            data[start + offset : min(end, start + offset + (length or end))]
            for offset, length in item.extents
        )
        yield item.number, b"".join(parts)


def read_properties(data: bytes, boxes: list[Box], kind: bytes) -> dict[int, bytes]:
    """Read the content of one type of property, by the items that have it.

    Raises InvalidImage if an item has two, or if there are too many properties.
    """
    lists = [box for box in boxes if box.kind == b"ipco"]
    if len(lists) > 1:
        raise InvalidImage("The picture's file has two lists of properties.")
    # Cut out once, however many items have the same one.
    contents = {
        place: data[box.start : box.end]
        for parent in lists
        for place, box in enumerate(_children(boxes, parent), 1)
        if box.kind == kind
    }
    found: dict[int, bytes] = {}
    for number, place in _read_associations(data, boxes):
        if place in contents and found.setdefault(number, contents[place]) != contents[place]:
            raise InvalidImage("The picture's file has two configurations of one item.")
    return found


def _children(boxes: list[Box], parent: Box) -> list[Box]:
    children: list[Box] = []
    end = parent.start
    for box in boxes:
        if end <= box.start <= box.end <= parent.end and box is not parent:
            children.append(box)
            end = box.end
    return children


def _read_associations(data: bytes, boxes: list[Box]) -> Iterator[tuple[int, int]]:
    """Yield each item's number with the place of each of its properties, from 1: ipma boxes."""
    total = 0
    for box in (box for box in boxes if box.kind == b"ipma"):
        numbers = Numbers(data, box.start)
        versions = numbers.read(4)
        place_bytes = 2 if versions & 1 else 1
        # The highest bit says whether the property is essential.
        mask = (1 << 8 * place_bytes - 1) - 1
        for _ in range(_at_most(numbers.read(4), MAX_ITEMS, "items")):
            number = numbers.read(4 if versions >> 24 else 2)
            count = numbers.read(1)
            total = _at_most(total + count, MAX_ASSOCIATIONS, "properties of items")
            for _ in range(count):
                yield number, numbers.read(place_bytes) & mask


def _at_most(count: int, most: int, what: str) -> int:
    if count > most:
        raise InvalidImage(f"The picture's file has more than {most} {what}.")
    return count


def read_uses(data: bytes, boxes: list[Box]) -> list[int]:
    """Read which items others are derived from: the dimg references of iref boxes."""
    uses: list[int] = []
    total = 0
    for box in (box for box in boxes if box.kind == b"iref"):
        number_bytes = 4 if data[box.start] else 2
        for reference in walk(data, box.start + 4, box.end):
            numbers = Numbers(data, reference.start)
            numbers.read(number_bytes)
            count = numbers.read(2)
            total = _at_most(total + 1 + count, MAX_REFERENCES, "references")
            if reference.kind == b"dimg":
                uses += [numbers.read(number_bytes) for _ in range(count)]
    return uses
