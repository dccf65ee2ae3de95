"""HEIC, where pillow-heif is installed: decoded as the others are, and bounded alike."""

import struct
import subprocess
import sys

import numpy as np
import pytest

from tests import pictures
from tests.hostile.avif_parts import (
    Item,
    avif_of,
    box,
    extents,
    file_type,
    full_box,
    grid_item,
    references,
    sample_tables,
    track,
)
from topfive.errors import Failure, ImageTooLarge, InvalidImage
from topfive.images.bits import MAX_UNITS
from topfive.images.decode import decode
from topfive.images.headers import declared_size
from topfive.images.heic import is_installed
from topfive.images.hevc import configured_pixels, measure_hevc
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

LIMITS = ImageLimits()
DRAWN = np.asarray(pictures.draw()).astype(int)
needs_decoder = pytest.mark.skipif(not is_installed(), reason="pillow-heif is not installed")


def _size(data: bytes) -> tuple[int, int] | None:
    return declared_size(data, "HEIC")


def _bits(text: str) -> bytes:
    length = -(-len(text) // 8)
    return int(text.ljust(8 * length, "0"), 2).to_bytes(length)


def _golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def parameter_set(width: int, height: int, *, chroma: int = 1, sub_layers: int = 0) -> bytes:
    """Write the unit that tells the size of a stream's frames."""
    bits = "0000" + f"{sub_layers:03b}" + "1" + "10" * 48
    if sub_layers:
        bits += "11" * sub_layers + "00" * (8 - sub_layers) + "01" * (48 * sub_layers)
    bits += _golomb(0) + _golomb(chroma) + ("0" if chroma == 3 else "")
    bits += _golomb(width) + _golomb(height) + "1"
    return b"\x42\x01" + _bits(bits).replace(b"\x00\x00\x03", b"\x00\x00\x03\x03")


def configuration(*units: bytes, length_bytes: int = 4) -> bytes:
    """Write the property that holds parameter sets."""
    listed = b"".join(struct.pack(">H", len(unit)) + unit for unit in units)
    head = bytes(21) + bytes([0xFC | (length_bytes - 1), 1]) + b"\xa1"
    return box(b"hvcC", head, struct.pack(">H", len(units)), listed)


def stream(*units: bytes) -> bytes:
    """Put units one behind another, each with its length."""
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


FIRST_SLICE, NEXT_SLICE = b"\x26\x01\xaf\x00", b"\x26\x01\x2f\x00"


def heic_of(*items: Item, **options: bytes) -> bytes:
    """Make a HEIC of items."""
    return avif_of(*items, brand=b"heic", **options)


def item(
    width: int, height: int, coded: tuple[int, int] | None = None, data: bytes | None = None
) -> Item:
    """Make an item that declares one size and is coded with another."""
    properties = configuration(parameter_set(*(coded or (width, height)))), extents(width, height)
    return Item(b"hvc1", stream(FIRST_SLICE) if data is None else data, properties)


@needs_decoder
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation):
    """Rotation and mirror are obeyed once, by the decoder itself."""
    upload = sniff(pictures.heic(orientation=orientation), LIMITS)
    decoded = decode(upload, LIMITS, 64)
    assert (upload.format, decoded.format) == ("HEIC", "HEIC")
    assert decoded.size == decoded.pixels.size == (96, 64)
    assert np.abs(np.asarray(decoded.pixels).astype(int) - DRAWN).mean() < 4


@needs_decoder
def test_the_orientation_in_xmp_does_not_count():
    """The decoder has turned it already."""
    note = b'<rdf:Description tiff:Orientation="66"/>'
    upload = sniff(pictures.heic(orientation=6, xmp=note), LIMITS)
    assert decode(upload, LIMITS, 64).size == (96, 64)


@needs_decoder
def test_a_grid_is_one_picture():
    """Phones write pictures as grids; one of four cells counts with the room for a cell."""
    upload = sniff(pictures.heic(256, 128, tile_size=128), LIMITS)
    assert upload.size == (256, 192)
    decoded = decode(upload, LIMITS, 64)
    assert decoded.size == (256, 128)
    drawn = np.asarray(pictures.draw(256, 128)).astype(int)
    assert np.abs(np.asarray(decoded.pixels).astype(int) - drawn).mean() < 4


@needs_decoder
def test_alpha_lies_over_white():
    """A HEIC that is see-through shows white paper."""
    image = pictures.draw().convert("RGBA")
    image.putalpha(0)
    data = pictures.encode(image, "HEIF", quality=90)
    pixels = np.asarray(decode(sniff(data, LIMITS), LIMITS, 64).pixels)
    assert (pixels == 255).all()


@needs_decoder
@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_raise_only_failures(seed):
    """Changed bytes give a picture or a Failure."""
    random = np.random.default_rng(seed)
    data = bytearray(pictures.heic())
    for place in random.integers(0, len(data), 4):
        data[place] = random.integers(0, 256)
    status = 200
    try:
        decode(sniff(bytes(data), LIMITS), LIMITS, 64)
    except Failure as failure:
        status = failure.status
    assert status in {200, 400, 413}


@needs_decoder
def test_the_decoder_is_loaded_by_the_first_heic():
    """Neither the start nor any other picture loads it."""
    code = """
import sys
from tests import pictures
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
limits = ImageLimits()
decode(sniff(pictures.avif(), limits), limits, 64)
print("pillow_heif" in sys.modules)
decode(sniff(pictures.heic(), limits), limits, 64)
print("pillow_heif" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("chroma", [0, 1, 3])
@pytest.mark.parametrize("sub_layers", [0, 1, 6])
def test_the_size_of_frames_is_read(chroma, sub_layers):
    """A parameter set tells it, whatever stands before it."""
    unit = parameter_set(640, 480, chroma=chroma, sub_layers=sub_layers)
    content = configuration(b"\x40\x01\x00", unit)[8:]
    assert configured_pixels(content) == 640 * 480
    assert measure_hevc(stream(unit, FIRST_SLICE), 0).coded_pixels == 640 * 480


def test_frames_are_counted_by_their_first_slices():
    """More slices of one frame are no more frames; a later parameter set may only enlarge."""
    many = stream(FIRST_SLICE, NEXT_SLICE, NEXT_SLICE, FIRST_SLICE, b"\x4e\x01\xff\x00")
    work = measure_hevc(many, 1000)
    assert (work.coded_pixels, work.held_pixels, work.units) == (2000, 2000, 5)
    larger = stream(FIRST_SLICE, parameter_set(100, 100), FIRST_SLICE)
    assert measure_hevc(larger, 1000).coded_pixels == 11_000


def test_a_picture_has_the_size_that_it_declares():
    """Whole blocks of code around it are no larger picture."""
    assert _size(heic_of(item(4000, 3000))) == (4000, 3000)
    assert _size(heic_of(item(4000, 3000, (4032, 3008)))) == (4000, 3000)
    assert _size(heic_of(item(100, 80, data=stream(*[FIRST_SLICE] * 3)))) == (100, 240)


def test_each_item_has_its_own_configuration():
    """Phones put masks beside a grid of cells; a cell is not as large as they are."""
    cells = [item(512, 512) for _ in range(48)]
    masks = [item(2016, 1512) for _ in range(6)]
    grid = references(b"dimg", 1, *range(2, 50))
    data = heic_of(grid_item(6, 8, 4032, 3024), *cells, *masks, references=grid)
    assert _size(data) == (4032, 3024)


@pytest.mark.parametrize(
    "data",
    [
        heic_of(item(30_000, 30_000)),
        heic_of(item(64, 64, (30_000, 30_000))),
        heic_of(item(64, 64, data=stream(parameter_set(30_000, 30_000), FIRST_SLICE))),
        heic_of(item(1000, 1000, data=stream(*[FIRST_SLICE] * 99))),
        heic_of(grid_item(9, 9, 30_000, 30_000), item(64, 64)),
    ],
)
def test_bombs_are_refused_by_their_headers(data, monkeypatch):
    """What would be unpacked to too many pixels is not handed to the decoder."""
    monkeypatch.setattr("topfive.images.sniff.FORMATS", ("HEIC",))
    with pytest.raises(ImageTooLarge):
        sniff(data, LIMITS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (heic_of(item(9, 9), Item(b"iovl", bytes(20), (extents(9, 9),))), "put together"),
        (heic_of(item(9, 9), Item(b"unci", bytes(20), (extents(9, 9),))), "put together"),
        (
            file_type(b"hevc", b"hevc") + track(9, 9, sample_tables(1, 1, 9, 1)),
            "is an animation",
        ),
        (
            heic_of(
                grid_item(64, 64, 640, 640),
                item(64, 64),
                references=references(b"dimg", 1, *[2] * 4000),
            ),
            "more than 6 times",
        ),
        (heic_of(item(9, 9, data=stream(*[b"\x4e\x01\x00"] * MAX_UNITS))), "4096 units"),
        (
            heic_of(Item(b"hvc1", b"", (configuration(length_bytes=2), extents(9, 9)))),
            "unusual way",
        ),
        (heic_of(Item(b"hvc1", b"", (box(b"hvcC", bytes(30)), extents(9, 9)))), "unusual way"),
        (heic_of(Item(b"hvc1", b"", (box(b"hvcC", bytes(9)), extents(9, 9)))), "cut off"),
        (
            heic_of(
                Item(
                    b"hvc1",
                    b"",
                    (configuration(*[b"\x40\x01"] * 17), extents(9, 9)),
                )
            ),
            "more than 16 parameter sets",
        ),
        (
            heic_of(
                Item(
                    b"hvc1",
                    b"",
                    (
                        configuration(parameter_set(8, 8)),
                        configuration(parameter_set(9, 8)),
                        extents(9, 9),
                    ),
                )
            ),
            "two configurations",
        ),
        (heic_of(*(item(9, side) for side in range(1, 66))), "more than 64 configurations"),
        (
            heic_of(Item(b"hvc1", b"", (configuration(b"\x42\x01" + bytes(99)), extents(9, 9)))),
            "cut off",
        ),
        (heic_of(item(9, 9), more=full_box(b"ipma", b"\0\0\x10\0")), "more than 1000 items"),
    ],
)
def test_too_much_of_anything_is_refused(data, message):
    """What is not a plain picture or a fair grid is not handed to the decoder."""
    with pytest.raises(InvalidImage, match=message):
        _size(data)
