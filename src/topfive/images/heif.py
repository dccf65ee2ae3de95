"""What AVIF and HEIC pictures declare: size, frames and work (ISO/IEC 23008-12)."""

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from topfive.errors import InvalidImage
from topfive.images.av1 import measure_av1
from topfive.images.bits import MAX_UNITS, Work
from topfive.images.heif_items import (
    read_contents,
    read_item_types,
    read_properties,
    read_uses,
)
from topfive.images.heif_tracks import first_frames
from topfive.images.hevc import configured_pixels, measure_hevc
from topfive.images.isobmff import Box, read_boxes

Size = tuple[int, int]

# A picture, its alpha, depth and gain maps; the first frame of an animation and of its alpha.
MAX_WORK = 6

# Cells share theirs; a picture, its masks and its maps have one each.
MAX_CONFIGURATIONS = 64

# Coded pictures are filled up to whole blocks, which the estimate of memory has room for.
_PADDING = 1 / 16

# Pictures, grids of them, metadata, and gain maps, which are not decoded; not what libheif would
# make pictures of beside: overlays, masks, uncompressed data.
_HEIC_KINDS = frozenset({b"hvc1", b"grid", b"tmap", b"Exif", b"mime", b"uri "})


@dataclass(frozen=True, slots=True)
class _Pictures:
    """What a file's boxes declare.

    `sizes` are widths and heights in pixels; `coded` the data of each item or first frame of one of
    the wanted types, by its number (a track's is negative); `grids` the data of grids;
    `configurations` each item's content for its decoder, by the item's number; `uses` the items
    that others are made of, once for each time; `kinds` the types of all items.
    """

    sizes: list[tuple[int, int]]
    coded: list[tuple[int, bytes]]
    grids: list[bytes]
    configurations: dict[int, bytes]
    uses: list[int]
    kinds: frozenset[bytes]


def avif_size(data: bytes) -> Size:
    """Read the size that decoding an AVIF has to make room for; its height counts all layers.

    Raises InvalidImage where the file asks for far too much work, struct.error or IndexError where
    it is cut off.
    """
    pictures = _read_pictures(data, b"av01", b"av1C")
    return _size_to_hold(pictures, _measure(pictures, lambda _, data: measure_av1(data)))


def heic_size(data: bytes) -> Size:
    """Read the size that decoding a HEIC has to make room for; raises as `avif_size` does."""
    pictures = _read_pictures(data, b"hvc1", b"hvcC")
    if not pictures.kinds <= _HEIC_KINDS:
        raise InvalidImage("The HEIC file is put together in a way that is not supported.")
    if any(number < 0 for number, _ in pictures.coded):
        raise InvalidImage("The HEIC file is an animation. Send a still picture.")
    configurations = {*pictures.configurations.values()}
    if len(configurations) > MAX_CONFIGURATIONS:
        raise InvalidImage(f"The HEIC file has more than {MAX_CONFIGURATIONS} configurations.")
    pixels = {one: configured_pixels(one) for one in configurations}
    by_item = {number: pixels[one] for number, one in pictures.configurations.items()}
    return _size_to_hold(
        pictures,
        _measure(pictures, lambda number, data: measure_hevc(data, by_item.get(number, 0))),
    )


def _read_pictures(data: bytes, coding: bytes, configuration: bytes) -> _Pictures:
    """Read what all items and tracks declare.

    `coding` is the type of the items wanted, `configuration` that of the properties for their
    decoder.
    """
    boxes = read_boxes(data)
    kinds = read_item_types(data, boxes)
    contents = list(read_contents(data, boxes))
    coded = [one for one in contents if (one[0], coding) in kinds]
    sizes = [_read_size(data, box) for box in boxes if box.kind in (b"ispe", b"tkhd")]
    return _Pictures(
        sizes,
        [*coded, *first_frames(data, boxes)],
        [content for number, content in contents if (number, b"grid") in kinds],
        read_properties(data, boxes, configuration),
        read_uses(data, boxes),
        frozenset(kind for _, kind in kinds),
    )


def _read_size(data: bytes, box: Box) -> tuple[int, int]:
    if box.kind == b"ispe":
        width, height = struct.unpack_from(">II", data, box.start + 4)
        return width, height
    # A track's size has 16 bits behind the point; its dates take 8 more bytes each in version 1.
    width, height = struct.unpack_from(">II", data, box.start + (88 if data[box.start] else 76))
    return width >> 16, height >> 16


def _measure(pictures: _Pictures, measure: Callable[[int, bytes], Work]) -> list[tuple[int, Work]]:
    works, units = [], 0
    for number, stream in pictures.coded:
        work = measure(number, stream)
        units += work.units
        if units >= MAX_UNITS:
            raise InvalidImage(f"The picture's file has {MAX_UNITS} units of coded data or more.")
        works.append((number, work))
    return works


def _size_to_hold(pictures: _Pictures, works: list[tuple[int, Work]]) -> Size:
    sizes = [*pictures.sizes, *map(_grid_size, pictures.grids)]
    width, height = max(sizes, key=prod, default=(0, 0))
    if min(width, height) == 0:
        return width, height
    uses = Counter(pictures.uses)
    held_pixels = max(
        # A cell is decoded beside the picture that it is copied into.
        (work.held_pixels + width * height * (number in uses) for number, work in works),
        default=0,
    )
    if held_pixels > width * height * (1 + _PADDING):
        height = -(-held_pixels // width)
    coded_pixels = sum(work.coded_pixels * max(1, uses[number]) for number, work in works)
    if coded_pixels > MAX_WORK * width * height:
        raise InvalidImage(f"The file codes more than {MAX_WORK} times the pixels of its picture.")
    return width, height


def _grid_size(content: bytes) -> Size:
    width, height = struct.unpack_from(">II" if content[1] & 1 else ">HH", content, 4)
    return width, height
