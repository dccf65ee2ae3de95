"""What a TIFF's first directory declares: its size, and how much reading and decoding it asks for.

Read as TIFF 6.0 (2, 15) places it, with BigTIFF's longer fields. The decoder, libtiff, copies each
value of each entry, and reads each strip and tile, however many of them lie in the same bytes.
"""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from topfive.errors import InvalidImage

MAX_TIFF_ENTRIES = 4096
# Pillow makes a Python object of every value; 25 megapixels in tiles of 16 x 16 have 97,657.
MAX_TIFF_VALUES = 131_072
# Writers store equal values and equal tiles once; what is stored once and read often is small.
MAX_SHARED_VALUE_BYTES = 1 << 20
MAX_SHARED_TILE_BYTES = 1 << 26
# libtiff tells of each damaged row of a fax, which takes it a microsecond.
MAX_FAX_ROWS = 500_000

_WIDTH, _HEIGHT, _CODING = 256, 257, 259
_STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_BYTES = 279, 322, 323, 325
_TILE_SIDES = frozenset({_TILE_WIDTH, _TILE_HEIGHT})
_FAX_CODINGS = frozenset({2, 3, 4, 32_771})
_BIG_TIFF_MAGIC = 43
# The layout of a directory's count and of an entry; BigTIFF's have 64 bits.
_CLASSIC_TIFF, _BIG_TIFF = ("H", "HHI", 4), ("Q", "HHQ", 8)
# How kinds of whole numbers are read, and how many bytes a value of any kind takes.
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
_VALUE_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
    16: 8, 17: 8, 18: 8,
}  # fmt: skip
_BYTE_KINDS = frozenset({1, 2, 7})
_SIZE_KINDS = frozenset({1, 3, 4})
_BIG_SIZE_KINDS = _SIZE_KINDS | {16}


class _Entry(NamedTuple):
    """One entry: how many values of a kind it has, where they lie, and whether in the entry."""

    tag: int
    kind: int
    values: int
    start: int
    is_inside: bool

    @property
    def value_bytes(self) -> int:
        return self.values * _VALUE_BYTES.get(self.kind, 0)

    def is_one_of(self, kinds: Collection[int]) -> bool:
        return self.values == 1 and self.kind in kinds


def tiff_size(data: bytes) -> tuple[int, int] | None:
    """Read the width and height that decoding a TIFF has to make room for.

    None where the header does not tell them plainly. Raises InvalidImage where the file asks for
    far too much work, struct.error where it is cut off.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2] == _BIG_TIFF_MAGIC
    entries = list(_read_entries(data, order, is_big=is_big))
    _check_values(entries, len(data))
    _check_shared_tiles(data, order, entries)
    kinds = _BIG_SIZE_KINDS if is_big else _SIZE_KINDS
    if any(one.tag in _TILE_SIDES and not one.is_one_of(kinds) for one in entries):
        raise InvalidImage("The TIFF file declares its tiles in an unreadable way.")
    numbers = _numbers(data, order, entries, kinds)
    is_fax = not _FAX_CODINGS.isdisjoint(_numbers(data, order, entries, _CODES.keys())[_CODING])
    if not {_WIDTH, _HEIGHT} <= numbers.keys():
        if is_fax:
            raise InvalidImage("The TIFF file declares its size in an unreadable way.")
        return None
    # Of a tag that comes twice the larger value counts, whichever the decoder takes. It makes
    # room for a whole tile, however small the picture is.
    width = max(numbers[_WIDTH] | numbers[_TILE_WIDTH])
    height = max(numbers[_HEIGHT] | numbers[_TILE_HEIGHT])
    _check_tiles(width, height, numbers, is_fax=is_fax)
    return width, height


def _read_entries(data: bytes, order: str, *, is_big: bool) -> Iterator[_Entry]:
    count_code, entry_code, inside_bytes = _BIG_TIFF if is_big else _CLASSIC_TIFF
    place_code = order + ("Q" if is_big else "I")
    (directory,) = struct.unpack_from(place_code, data, 8 if is_big else 4)
    directory = min(directory, len(data))
    (count,) = struct.unpack_from(order + count_code, data, directory)
    if count > MAX_TIFF_ENTRIES:
        raise InvalidImage(f"The TIFF file declares {count} entries.")
    entry_bytes = struct.calcsize("=" + entry_code)
    start = directory + struct.calcsize("=" + count_code)
    for index in range(count):
        place = start + (entry_bytes + inside_bytes) * index
        tag, kind, values = struct.unpack_from(order + entry_code, data, place)
        place += entry_bytes
        (elsewhere,) = struct.unpack_from(place_code, data, place)
        is_inside = values * _VALUE_BYTES.get(kind, 0) <= inside_bytes
        yield _Entry(tag, kind, values, place if is_inside else elsewhere, is_inside)


def _check_values(entries: list[_Entry], file_bytes: int) -> None:
    for one in entries:
        # More values than the file has bytes are never read.
        if MAX_TIFF_VALUES < one.values <= file_bytes and one.kind not in _BYTE_KINDS:
            raise InvalidImage(f"The TIFF file declares {one.values} values in one entry.")
    outside = (one.value_bytes for one in entries if not one.is_inside)
    if sum(size for size in outside if size <= file_bytes) > file_bytes + MAX_SHARED_VALUE_BYTES:
        raise InvalidImage("The TIFF file has entries whose values lie in the same bytes.")


def _check_shared_tiles(data: bytes, order: str, entries: list[_Entry]) -> None:
    """Refuse strips or tiles that have far more bytes in all than the file has."""
    for one in entries:
        if one.tag in (_STRIP_BYTES, _TILE_BYTES) and not one.is_inside and one.kind in _CODES:
            most = (len(data) - one.start) // _VALUE_BYTES[one.kind]
            count = min(one.values, MAX_TIFF_VALUES, most)
            if count <= 0:
                continue
            sizes = struct.unpack_from(f"{order}{count}{_CODES[one.kind]}", data, one.start)
            if sum(min(size, len(data)) for size in sizes) > len(data) + MAX_SHARED_TILE_BYTES:
                raise InvalidImage("The TIFF file has strips or tiles made of the same data.")


def _numbers(
    data: bytes, order: str, entries: list[_Entry], kinds: Collection[int]
) -> defaultdict[int, set[int]]:
    """Read the value of each entry that is one whole number, by its tag."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for one in entries:
        if one.is_one_of(kinds):
            found[one.tag] |= {*struct.unpack_from(order + _CODES[one.kind], data, one.start)}
    return found


def _check_tiles(
    width: int, height: int, numbers: defaultdict[int, set[int]], *, is_fax: bool
) -> None:
    """Refuse too many tiles; of a fax, too many rows in all of them."""
    across = -(-width // max(1, min(numbers[_TILE_WIDTH], default=width)))
    down = -(-height // max(1, min(numbers[_TILE_HEIGHT], default=height)))
    if across * down > MAX_TIFF_VALUES:
        raise InvalidImage(f"The TIFF file is made of {across * down} tiles.")
    if is_fax and across * height > MAX_FAX_ROWS:
        raise InvalidImage(f"The TIFF file has {across * height} rows that are coded as a fax.")
