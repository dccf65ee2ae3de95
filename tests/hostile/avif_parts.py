"""The pieces that AVIF and HEIC traps are made of: boxes, items, streams; returns bytes."""

import struct
from dataclasses import dataclass
from functools import cache

from PIL import Image

from tests import pictures

AV1, GRID = b"av01", b"grid"


def box(kind: bytes, *content: bytes) -> bytes:
    """Write a box with its length."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Write a box with its length, version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def file_type(major: bytes = b"avif", *others: bytes) -> bytes:
    """Write the box that a file begins with."""
    return box(b"ftyp", major, bytes(4), *(others or (b"avif", b"mif1", b"miaf")))


def extents(width: int, height: int) -> bytes:
    """Write the property that declares a size."""
    return full_box(b"ispe", struct.pack(">II", width, height))


@cache
def coded(width: int = 96, height: int = 64) -> tuple[bytes, bytes]:
    """Code a drawn picture as AV1; returns its data and its configuration property."""
    whole = pictures.encode(pictures.draw(width, height), "AVIF")
    at = whole.index(b"av1C") - 4
    return whole[whole.index(b"mdat") + 4 :], whole[at : at + int.from_bytes(whole[at : at + 4])]


@dataclass(frozen=True)
class Item:
    """One item: its type, data and properties."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]


def picture_item(
    width: int = 96, height: int = 64, data: bytes | None = None, *more: bytes
) -> Item:
    """Make an item of a drawn picture that declares any size."""
    drawn, configuration = coded()
    stream = drawn if data is None else data
    return Item(AV1, stream, (configuration, extents(width, height), *more))


def grid_item(rows: int, columns: int, width: int, height: int) -> Item:
    """Make an item that puts others together in rows and columns."""
    body = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    return Item(GRID, body, (extents(width, height),))


def avif_of(
    *items: Item,
    references: bytes = b"",
    more: bytes = b"",
    primary: int = 1,
    before: bytes = b"",
    brand: bytes = b"avif",
) -> bytes:
    """Make an AVIF of items numbered from 1; `more` goes into its meta box."""
    head = file_type(brand, brand, b"mif1", b"miaf") + before
    data_start = len(head) + len(_meta(items, 0, references + more, primary)) + 8
    meta = _meta(items, data_start, references + more, primary)
    return head + meta + box(b"mdat", *(item.data for item in items))


def _meta(items: tuple[Item, ...], data_start: int, more: bytes, primary: int) -> bytes:
    numbered = list(enumerate(items, 1))
    places, position = [], data_start
    for number, item in numbered:
        places.append(struct.pack(">HHHII", number, 0, 1, position, len(item.data)))
        position += len(item.data)
    entries = [
        full_box(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2)
        for number, item in numbered
    ]
    properties = [one for item in items for one in item.properties]
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", struct.pack(">H", primary)),
        full_box(b"iloc", b"\x44\x00", struct.pack(">H", len(items)), *places),
        full_box(b"iinf", struct.pack(">H", len(items)), *entries),
        box(b"iprp", box(b"ipco", *properties), _associations(items)),
        more,
    )


def _associations(items: tuple[Item, ...]) -> bytes:
    rows, first = [], 1
    for number, item in enumerate(items, 1):
        count = len(item.properties)
        indices = range(first, first + count)
        rows.append(struct.pack(f">HB{count}H", number, count, *indices))
        first += count
    return full_box(b"ipma", struct.pack(">I", len(items)), *rows, flags=1)


def references(kind: bytes, source: int, *targets: int) -> bytes:
    """Write the box that says which items others are made of."""
    row = struct.pack(f">HH{len(targets)}H", source, len(targets), *targets)
    return full_box(b"iref", box(kind, row))


def unit(kind: int, content: bytes) -> bytes:
    """Write an open bitstream unit of AV1 with its length."""
    length, rest = [], len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([kind << 3 | 2, *length, rest]) + content


def sequence_header(
    width: int, height: int, *, is_short: bool = True, has_grain: bool = False
) -> bytes:
    """Write the unit that tells the size of a stream's frames: 8 bits, 4:2:0."""
    bits = (
        "000" + "11" + "00000"
        if is_short
        else "000" + "00" + "0" + "0" + "00000" + "0" * 12 + "00000"
    )
    bits += "1111" * 2 + f"{width - 1:016b}{height - 1:016b}"
    bits += "" if is_short else "0"
    bits += "000"
    # Neither tools for moving pictures nor order; screen content as each frame says.
    bits += "" if is_short else "0000" + "0" + "1" + "1"
    bits += "000" + "0000" + "00" + "0" + ("1" if has_grain else "0") + "1"
    length = -(-len(bits) // 8)
    return unit(1, int(bits.ljust(8 * length, "0"), 2).to_bytes(length))


def frames(count: int, *, own_size: bool = False) -> bytes:
    """Write frames without content: shown, key frames; of their own size if asked."""
    # Not an old one, key frame, shown; no changed probabilities, no tools, its own size or not.
    bits = "0" + "00" + "1" + "0" + "0" + ("1" if own_size else "0") + "0"
    return unit(6, bytes([int(bits, 2), 0])) * count


def sample_tables(chunks: int, in_each: int, size: int, frame_count: int, offset: int = 0) -> bytes:
    """Write the tables of a track: chunks of frames of one size."""
    return b"".join(
        [
            full_box(b"stco", struct.pack(">I", chunks), struct.pack(">I", offset) * chunks),
            full_box(b"stsc", struct.pack(">IIII", 1, 1, in_each, 1)),
            full_box(b"stsz", struct.pack(">II", size, frame_count)),
        ]
    )


def track(width: int, height: int, *tables: bytes) -> bytes:
    """Write a track that declares a size."""
    head = full_box(b"tkhd", bytes(4 * 5 + 52), struct.pack(">II", width << 16, height << 16))
    stbl = box(b"stbl", *tables)
    return box(b"moov", box(b"trak", head, box(b"mdia", box(b"minf", stbl))))


def alpha_avif(width: int = 96, height: int = 64, alpha: int = 128) -> bytes:
    """Make an AVIF of which one sees half through."""
    image = pictures.draw(width, height).convert("RGBA")
    image.putalpha(alpha)
    return pictures.encode(image, "AVIF")


def black_avif(width: int, height: int) -> bytes:
    """Make an AVIF of black, which takes few bytes."""
    return pictures.encode(Image.new("RGB", (width, height)), "AVIF", speed=10)


def associations(items: int, each: int) -> bytes:
    """Write the box that gives every item the first property, many times."""
    rows = [struct.pack(">HB", number, each) + b"\x01" * each for number in range(1, items + 1)]
    return full_box(b"ipma", struct.pack(">I", items), *rows)


def nested(depth: int) -> bytes:
    """Write boxes within boxes."""
    inner = b""
    for _ in range(depth):
        inner = box(b"moov", inner)
    return inner


def empty_items_avif(count: int) -> bytes:
    """Make an AVIF whose items have a number and nothing else."""
    rows = [struct.pack(">HHH", number, 0, 0) for number in range(1, count + 1)]
    places = full_box(b"iloc", b"\x00\x00", struct.pack(">H", count), *rows)
    return file_type() + full_box(b"meta", places)


def places_avif(items: int, each: int) -> bytes:
    """Make an AVIF whose items lie in many places of no length, which take no bytes."""
    rows = [struct.pack(">HHH", number, 0, each) for number in range(1, items + 1)]
    places = full_box(b"iloc", b"\x00\x00", struct.pack(">H", items), *rows)
    return file_type() + full_box(b"meta", places)


def shared_data_avif(count: int) -> bytes:
    """Make an AVIF whose items all lie in the same 2,000 bytes."""
    rows = [struct.pack(">HHHII", number, 0, 1, 0, 2000) for number in range(1, count + 1)]
    places = full_box(b"iloc", b"\x44\x00", struct.pack(">H", count), *rows)
    return file_type() + full_box(b"meta", places) + box(b"mdat", bytes(2000))
