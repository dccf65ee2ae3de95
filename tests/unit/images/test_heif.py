"""AVIF files that would cost their decoder far more than their pixels are refused."""

import struct
import subprocess
import sys

import pytest

from tests import pictures
from tests.hostile.avif_parts import (
    AV1,
    Item,
    alpha_avif,
    associations,
    avif_of,
    box,
    coded,
    empty_items_avif,
    extents,
    file_type,
    frames,
    full_box,
    grid_item,
    nested,
    picture_item,
    places_avif,
    references,
    sample_tables,
    sequence_header,
    shared_data_avif,
    track,
    unit,
)
from topfive.errors import InvalidImage
from topfive.images import heif_items, heif_tracks, isobmff
from topfive.images.av1 import measure_av1
from topfive.images.bits import MAX_UNITS, Bits
from topfive.images.headers import declared_size
from topfive.images.heif_items import read_contents, read_item_types
from topfive.images.heif_tracks import first_frames
from topfive.images.isobmff import read_boxes, read_brands
from topfive.images.sniff import FORMATS

ANIMATION = file_type(b"avis", b"avis", b"msf1")


def _streams(data: bytes) -> list[tuple[int, bytes]]:
    """Read the coded data of items and of first frames."""
    boxes = read_boxes(data)
    kinds = read_item_types(data, boxes)
    items = [one for one in read_contents(data, boxes) if (one[0], AV1) in kinds]
    return [*items, *first_frames(data, boxes)]


def _size(data: bytes) -> tuple[int, int] | None:
    return declared_size(data, "AVIF")


def test_a_picture_has_the_size_that_it_declares():
    """One item, with alpha or without, has the size of its property."""
    assert _size(pictures.avif(40, 30)) == (40, 30)
    assert _size(alpha_avif(40, 30)) == (40, 30)
    assert _size(avif_of(picture_item())) == (96, 64)


def test_the_largest_size_counts():
    """Whichever item is the picture, room is made for the largest one."""
    data = avif_of(picture_item(96, 64), picture_item(300, 200))
    assert _size(data) == (300, 200)


def test_all_frames_of_an_item_count():
    """Layers are kept side by side in memory, so their heights add up."""
    for count, height in ((1, 80), (4, 320)):
        stream = sequence_header(100, 80, is_short=False) + frames(count)
        assert _size(avif_of(picture_item(100, 80, stream))) == (100, height)


def test_a_size_of_its_own_counts_as_the_largest_there_is():
    """A frame may choose any size that its header has bits for."""
    stream = sequence_header(100, 80, is_short=False) + frames(1, own_size=True)
    width, height = _size(avif_of(picture_item(100, 80, stream)))
    assert width * height >= 1 << 32


def test_film_grain_counts_a_third():
    """Grain is laid over a copy."""
    stream = sequence_header(300, 300, has_grain=True) + frames(1)
    assert _size(avif_of(picture_item(300, 300, stream))) == (300, 400)


@pytest.mark.parametrize("is_short", [True, False])
def test_a_stream_is_measured_by_its_sequence_header(is_short):
    """Each frame has the size that the header before it tells."""
    first = sequence_header(100, 80, is_short=is_short)
    second = sequence_header(10, 10, is_short=is_short)
    work = measure_av1(first + frames(2) + second + frames(1))
    assert (work.coded_pixels, work.held_pixels, work.units) == (16_100, 16_100, 5)


def test_real_streams_are_measured():
    """What Pillow writes is one frame of the size that was drawn."""
    for whole in (pictures.avif(70, 50), pictures.avif(70, 50, subsampling="4:4:4")):
        ((_, stream),) = _streams(whole)
        work = measure_av1(stream)
        assert (work.coded_pixels, work.units) == (70 * 50, 3)
    grey = pictures.encode(pictures.draw(70, 50).convert("L"), "AVIF")
    ((_, stream),) = _streams(grey)
    assert measure_av1(stream).coded_pixels == 70 * 50
    grain = {"film-grain-test": "1"}
    ((_, stream),) = _streams(pictures.avif(70, 50, advanced=grain))
    assert measure_av1(stream).held_pixels == 70 * 50 * 4 // 3


def test_the_first_frame_of_an_animation_is_measured():
    """Only it is decoded, with its alpha."""
    pieces = _streams(pictures.animated_avif(70, 50))
    works = [measure_av1(stream) for number, stream in pieces if number < 0]
    assert [work.coded_pixels for work in works] == [70 * 50]


def test_frames_before_any_sequence_header_are_none():
    """A decoder gives up on them."""
    assert measure_av1(frames(3)).coded_pixels == 0


def test_a_unit_may_leave_its_length_out():
    """Then it takes all that follows."""
    whole = sequence_header(100, 80)
    assert measure_av1(bytes([1 << 3]) + whole[2:]).units == 1
    assert measure_av1(unit(5, bytes(200)) + whole + frames(1)).coded_pixels == 8000


def test_more_work_than_pixels_is_refused():
    """Items that together code many times the picture's pixels are refused."""
    stream = sequence_header(100, 80) + frames(1)
    six = [picture_item(100, 80, stream) for _ in range(6)]
    assert _size(avif_of(*six)) == (100, 80)
    with pytest.raises(InvalidImage, match="more than 6 times the pixels"):
        _size(avif_of(*six, six[0]))
    once = references(b"dimg", 1, 2)
    often = references(b"dimg", 1, *[2] * 13)
    cell = picture_item(100, 80, stream)
    assert _size(avif_of(grid_item(1, 1, 100, 80), cell, references=once)) == (100, 160)
    with pytest.raises(InvalidImage, match="more than 6 times"):
        _size(avif_of(grid_item(1, 1, 100, 40), cell, references=often))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (empty_items_avif(1001), "more than 1000 items"),
        (places_avif(1, 4097), "more than 4096 extents"),
        (places_avif(9, 900), "more than 4096 extents"),
        (shared_data_avif(900), "made of the same data"),
        (file_type() + box(b"free") * 10_001, "more than 10000 boxes"),
        (file_type() + nested(14), "within too many others"),
        (avif_of(picture_item(), references=references(b"dimg", 1, *range(4096))), "4096 ref"),
        (avif_of(picture_item(), references=references(b"cdsc", 1, *range(4096))), "4096 ref"),
        (avif_of(picture_item(), more=box(b"idat") * 2), "two boxes"),
        (avif_of(picture_item(), more=full_box(b"ipma", b"\0\0\x10\0")), "more than 1000 items"),
        (ANIMATION + track(9, 9, sample_tables(1, 1, 1, 1)) * 5, "more than 4 tracks"),
        (avif_of(picture_item(), more=box(b"ipco")), "two lists"),
        (avif_of(picture_item(), more=associations(70, 255)), "more than 16384 properties"),
        (ANIMATION + track(9, 9, sample_tables(1, 100_001, 1, 1)), "more than 100000 frames"),
        (ANIMATION + track(9, 9, sample_tables(10_001, 1, 1, 1)), "too many chunks"),
        (ANIMATION + track(9, 9, sample_tables(1, 1, 1, 1) * 2), "two tables"),
        (avif_of(picture_item(9, 9, unit(2, b"") * MAX_UNITS)), "4096 units"),
    ],
)
def test_too_much_of_anything_is_refused(data, message):
    """Boxes, items, places, references, frames and units are counted before a decoder sees them."""
    with pytest.raises(InvalidImage, match=message):
        _size(data)


def test_as_much_as_the_limits_is_allowed():
    """Exactly the most of each passes."""
    for data in (
        avif_of(picture_item(), references=references(b"cdsc", 1, *range(4095))),
        avif_of(picture_item(), before=box(b"free") * 9900),
        ANIMATION + track(96, 64, sample_tables(1, 100_000, 1, 1)),
        avif_of(picture_item(96, 64, unit(2, b"") * (MAX_UNITS - 1))),
    ):
        assert _size(data) == (96, 64)


def test_items_may_share_a_little_data():
    """Writers store equal cells once."""
    rows = [struct.pack(">HHHII", number, 0, 1, 0, 1000) for number in range(1, 900)]
    places = full_box(b"iloc", b"\x44\x00", struct.pack(">H", len(rows)), *rows)
    data = file_type() + full_box(b"meta", places, extents(9, 9)) + bytes(1000)
    assert _size(data) == (9, 9)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_places_are_read_in_every_version(version):
    """Items' numbers and places have other widths in each; data may lie beside the boxes."""
    stream = coded()[0]
    number_code = "I" if version == 2 else "H"
    method = b"" if version == 0 else struct.pack(">H", 1)
    head = struct.pack(f">{number_code}", 7) + method
    row = head + struct.pack(">HQHQI", 0, 2, 1, 3, len(stream))
    count = struct.pack(f">{number_code}", 1)
    if version:
        row = head + struct.pack(">HQHIQI", 0, 2, 1, 99, 3, len(stream))
    places = full_box(
        b"iloc", b"\x84", b"\x84" if version else b"\x80", count, row, version=version
    )
    entry = full_box(b"infe", struct.pack(">IH4sB", 7, 0, AV1, 0), version=3)
    items = full_box(b"iinf", struct.pack(">I", 1), entry, version=1)
    idat = box(b"idat", bytes(5) + stream)
    start = 0 if version else len(file_type()) + 12 + len(places) + len(items) + 8
    if not version:
        places = places.replace(struct.pack(">QH", 2, 1), struct.pack(">QH", start + 2, 1))
    data = file_type() + full_box(b"meta", places, items, idat)
    assert _streams(data) == [(7, stream)]


def test_a_place_without_a_length_is_all_that_follows():
    """A length of zero means up to the end."""
    row = struct.pack(">HHHII", 1, 0, 1, 0, 0)
    entry = full_box(b"infe", struct.pack(">HH4sB", 1, 0, AV1, 0), version=2)
    meta = full_box(
        b"meta",
        full_box(b"iloc", b"\x44\x00", struct.pack(">H", 1), row),
        full_box(b"iinf", struct.pack(">H", 1), entry),
    )
    data = file_type() + meta
    assert _streams(data) == [(1, data)]


def test_a_box_may_reach_to_the_end_or_have_64_bits():
    """Both kinds of length are read; a track's size too, in either version."""
    open_ended = avif_of(picture_item())
    at = open_ended.index(b"mdat") - 4
    assert _size(open_ended[:at] + bytes(4) + open_ended[at + 4 :]) == (96, 64)
    assert _size(avif_of(picture_item(), before=struct.pack(">I4sQ", 1, b"free", 16))) == (96, 64)
    head = full_box(b"tkhd", bytes(84), struct.pack(">II", 30 << 16, 20 << 16), version=1)
    assert _size(ANIMATION + box(b"moov", box(b"trak", head))) == (30, 20)


def test_brands_are_those_of_the_first_box():
    """Nothing behind it, or beyond 4 kB, is a brand."""
    assert read_brands(file_type(b"avif", b"mif1", b"miaf")) == [b"avif", b"mif1", b"miaf"]
    assert read_brands(b"RIFF....WEBP") == []
    assert len(read_brands(file_type(b"avif", *[b"abcd"] * 9000))) < 1024


def test_a_picture_without_a_size_is_refused():
    """An AVIF that declares none is not left to the decoder."""
    with pytest.raises(InvalidImage, match="declares a size of 0 x 0"):
        _size(avif_of(Item(AV1, coded()[0], (coded()[1],))))


def test_bits_end_where_the_data_ends():
    """Reading on raises IndexError, which means a damaged header."""
    bits = Bits(b"\xa5\x0f", 0)
    assert [bits.read(count) for count in (1, 3, 8, 0, 4)] == [1, 2, 0x50, 0, 15]
    with pytest.raises(IndexError):
        bits.read(1)


def test_limits_are_those_written_down():
    """The documents name these numbers."""
    limits = heif_items.MAX_ITEMS, heif_tracks.MAX_FRAMES, isobmff.MAX_BOXES, MAX_UNITS
    assert limits == (1000, 100_000, 10_000, 4096)


_DECODE_ONCE = r"""
import re, sys
from pathlib import Path
from tests import pictures
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
limits, name = ImageLimits(), sys.argv[2]
decode(sniff(pictures.every_format()[name], limits), limits, 64)
upload = sniff(Path(sys.argv[1]).read_bytes(), limits)
def peak_kib():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
before = peak_kib()
decode(upload, limits, 64)
print((peak_kib() - before) * 1024, upload.decoding_bytes(0))
"""


@pytest.mark.parametrize("name", [name for name in FORMATS if name in ("AVIF", "HEIC")])
def test_decoding_takes_no_more_memory_than_is_set_aside(name, tmp_path):
    """The estimate holds for a picture of full colour with alpha."""
    image = pictures.draw(2500, 2000).convert("RGBA")
    image.putalpha(image.getchannel("R"))
    full = {
        "AVIF": {"subsampling": "4:4:4", "speed": 10},
        "HEIC": {"chroma": 444, "enc_params": {"preset": "ultrafast"}},
    }
    file = tmp_path / "picture"
    file.write_bytes(pictures.encode(image, {"HEIC": "HEIF"}.get(name, name), **full[name]))
    command = [sys.executable, "-c", _DECODE_ONCE, str(file), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, set_aside = map(int, done.stdout.split())
    assert 5_000_000 * 9 < taken <= set_aside
