"""Files that would cost the decoder far more than their pixels are refused by their headers."""

import struct

import pytest

from tests import pictures
from tests.hostile.trap_parts import (
    bmp_of,
    chunk,
    gif_frame,
    gif_of,
    grey_tiff,
    jpeg_of_scans,
    jpeg_with,
    png_with,
    segment,
    tiff_of,
)
from topfive.errors import ImageTooLarge, InvalidImage
from topfive.images import headers, tiff
from topfive.images.decode import decode
from topfive.images.headers import declared_size
from topfive.images.limits import ImageLimits
from topfive.images.sniff import SniffedPicture, sniff

LIMITS = ImageLimits()


def test_a_jpeg_may_have_as_many_scans_as_the_limit():
    """One scan more than the limit is refused, whatever size the picture is."""
    most = headers.MAX_JPEG_SCANS
    assert declared_size(jpeg_of_scans(most - 1, side=64), "JPEG") == (64, 64)
    with pytest.raises(InvalidImage, match="more than 100 scans"):
        declared_size(jpeg_of_scans(most, side=64), "JPEG")


def test_a_jpeg_header_may_have_some_segments():
    """Hundreds of segments pass, thousands do not, before the frame or after it."""
    comment = segment(0xFE)
    assert declared_size(jpeg_with(comment * 1900), "JPEG") == (96, 64)
    with pytest.raises(InvalidImage, match="more than 2000 segments"):
        declared_size(jpeg_with(comment * 2000), "JPEG")
    late = pictures.jpeg().replace(b"\xff\xc4", comment * 2000 + b"\xff\xc4", 1)
    with pytest.raises(InvalidImage, match="more than 2000 segments"):
        declared_size(late, "JPEG")


@pytest.mark.parametrize("marker", [0xC8, 0xF0, 0xFD])
def test_segments_cannot_hide_behind_a_marker_without_a_length(marker):
    """What the decoder reads as segments is counted, though it looks like one segment's content."""
    hidden = segment(0xFE) * 2000
    with pytest.raises(InvalidImage, match="segments"):
        declared_size(jpeg_with(segment(marker, hidden)), "JPEG")


@pytest.mark.parametrize("fill", [b"\xff", b"\x00"])
def test_a_jpeg_header_is_not_made_of_fill_bytes(fill):
    """Megabytes of padding are refused before anything walks through them byte by byte."""
    data = pictures.jpeg()
    padded = data[:2] + segment(0xFE) + fill * headers.MAX_JPEG_FILL_BYTES
    assert declared_size(padded + data[2:], "JPEG") == (96, 64)
    with pytest.raises(InvalidImage, match="fill bytes"):
        declared_size(padded + fill * 2 + data[2:], "JPEG")


def test_a_png_may_have_as_many_chunks_as_the_limit():
    """One chunk more than the limit is refused."""
    plain = 2  # its header and its data; its end does not count
    most = headers.MAX_PNG_CHUNKS - plain
    assert declared_size(png_with(chunk(b"abCd") * most), "PNG") == (96, 64)
    with pytest.raises(InvalidImage, match="more than 65536 chunks"):
        declared_size(png_with(chunk(b"abCd") * (most + 1)), "PNG")


@pytest.mark.parametrize(
    "before",
    [
        b"!\xf9\x04\x00\x00\x00\x00\x00",
        b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00",
        b"!\xff\x0bNETSCAPE2.0\x00\x03abc\x00",
        b"!\xfe\x00",
        b"!\x01\x00\x03abc\x00",
        b"\x00\x00",
    ],
)
def test_a_gif_frame_counts_behind_other_blocks(before):
    """The size of the first frame is read wherever the decoder finds that frame."""
    data = gif_of(before, gif_frame(0, 0, 300, 200), b";")
    assert declared_size(data, "GIF") == (300, 200)
    with pytest.raises(InvalidImage, match="damaged or cut off"):
        # The decoder agrees on the size: it says that data for so many pixels is missing.
        decode(SniffedPicture(data, "GIF", (300, 200)), LIMITS, 64)


@pytest.mark.parametrize(
    "blocks", [b"\x00" * 70_000, b"!\xfe\x00" * 70_000, b"!\xfe" + b"\x01a" * 70_000 + b"\x00"]
)
def test_a_gif_may_have_some_blocks_before_its_frame(blocks):
    """Tens of thousands of blocks or parts of blocks before the first frame are refused."""
    with pytest.raises(InvalidImage, match="more than 65536 blocks"):
        declared_size(gif_of(blocks, gif_frame(), b";"), "GIF")


@pytest.mark.parametrize("coding", [1, 2])
def test_a_run_length_coded_bmp_is_small(coding):
    """Above a limit of pixels, or of bytes, a BMP that Python code has to unpack is refused."""
    assert declared_size(bmp_of(2000, -2000, 8, coding, b""), "BMP") == (2000, 2000)
    assert declared_size(bmp_of(5000, 5000, 8, 0, b""), "BMP") == (5000, 5000)
    with pytest.raises(ImageTooLarge, match="run-length"):
        declared_size(bmp_of(2000, -2001, 8, coding, b""), "BMP")
    with pytest.raises(ImageTooLarge, match="run-length"):
        declared_size(bmp_of(8, 8, 8, coding, bytes(4_000_000)), "BMP")


def test_a_tiff_has_a_short_directory():
    """Thousands of entries are refused: the decoder would read them all, the sniffer would not."""
    entries = [(256, 4, 1, 8), (257, 4, 1, 8)]
    filler = [(40_000, 3, 1, 0)] * (tiff.MAX_TIFF_ENTRIES - 2)
    assert declared_size(tiff_of(*entries, *filler), "TIFF") == (8, 8)
    with pytest.raises(InvalidImage, match="declares 4097 entries"):
        declared_size(tiff_of(*entries, *filler, filler[0]), "TIFF")


@pytest.mark.parametrize("tag", [273, 324, 282])
def test_a_tiff_has_few_values_in_an_entry(tag):
    """Millions of strips, tiles or numbers are refused; millions of plain bytes are not."""
    count = tiff.MAX_TIFF_VALUES + 1
    body = bytes(4 * count)
    with pytest.raises(InvalidImage, match="declares 131073 values"):
        declared_size(grey_tiff((tag, 4, count, 200), body=body), "TIFF")
    assert declared_size(grey_tiff((700, 7, count, 200), body=body), "TIFF") == (8, 8)
    assert declared_size(grey_tiff((tag, 4, count - 1, 200), body=body), "TIFF") == (8, 8)


@pytest.mark.parametrize("kind", [1, 2, 3, 7, 12])
def test_the_values_of_a_tiff_lie_in_bytes_of_their_own(kind):
    """The decoder copies each: 400 entries of the same 10,000 bytes would take 4 MB."""
    size = {3: 2, 12: 8}.get(kind, 1)
    shared = [(40_000 + number, kind, 10_000 // size, 8) for number in range(400)]
    body = bytes(10_000)
    assert declared_size(grey_tiff(*shared[:80], body=body), "TIFF") == (8, 8)
    with pytest.raises(InvalidImage, match="lie in the same bytes"):
        declared_size(grey_tiff(*shared, body=body), "TIFF")


def test_the_values_of_a_big_tiff_lie_in_bytes_of_their_own():
    """Entries of 64 bits are added up too."""
    shared = [(40_000 + number, 7, 10_000, 16) for number in range(400)]
    with pytest.raises(InvalidImage, match="lie in the same bytes"):
        declared_size(pictures.forged_big_tiff(8, 8, *shared) + bytes(10_000), "TIFF")


@pytest.mark.parametrize(("tag", "kind", "code"), [(279, 4, "I"), (325, 3, "H"), (325, 4, "I")])
def test_tiles_may_be_stored_once_and_not_be_much_data_in_all(tag, kind, code):
    """What 30,000 tiles share is small: the decoder reads it for each of them."""
    count = 30_000
    for size, is_fine in ((1000, True), (3000, False)):
        sizes = struct.pack(f"<{count}{code}", *[size] * count)
        place = len(grey_tiff((tag, kind, count, 0), body=b""))
        data = grey_tiff((tag, kind, count, place), body=sizes)
        if is_fine:
            assert declared_size(data, "TIFF") == (8, 8)
        else:
            with pytest.raises(InvalidImage, match="made of the same data"):
                declared_size(data, "TIFF")


def test_a_tiff_has_few_tiles():
    """Tiles of one pixel each would be millions."""
    tiles = (322, 3, 1, 1), (323, 3, 1, 1)
    assert declared_size(grey_tiff(*tiles, width=300, height=400), "TIFF") == (300, 400)
    with pytest.raises(InvalidImage, match="made of 160000 tiles"):
        declared_size(grey_tiff(*tiles, width=400, height=400), "TIFF")


@pytest.mark.parametrize("coding", [2, 3, 4, 32_771])
def test_a_fax_has_few_rows(coding):
    """The decoder tells of each damaged row, which takes it as long as hundreds of good pixels."""
    assert declared_size(grey_tiff(width=8, height=500_000, coding=coding), "TIFF")
    with pytest.raises(InvalidImage, match="500001 rows"):
        declared_size(grey_tiff(width=8, height=500_001, coding=coding), "TIFF")
    tiles = (322, 3, 1, 1), (323, 3, 1, 5000)
    with pytest.raises(InvalidImage, match="5000000 rows"):
        declared_size(grey_tiff(*tiles, width=1000, height=5000, coding=coding), "TIFF")
    with pytest.raises(InvalidImage, match="its size in an unreadable way"):
        declared_size(grey_tiff((256, 9, 1, 1), (259, 9, 1, coding)), "TIFF")


def test_a_tiff_is_as_large_as_its_tiles():
    """A tile larger than its picture counts, side by side, as what it costs."""
    tiles = (322, 4, 1, 20_000), (323, 3, 1, 16)
    assert declared_size(grey_tiff(*tiles), "TIFF") == (20_000, 16)
    with pytest.raises(ImageTooLarge, match="20000 x 20000"):
        sniff(grey_tiff(*tiles, width=8, height=20_000), LIMITS)


def test_a_tiff_tells_the_size_of_its_tiles_plainly():
    """A tile's side as 64 bits is refused, since the sniffer would not read it."""
    with pytest.raises(InvalidImage, match="tiles"):
        declared_size(grey_tiff((322, 16, 1, 8)), "TIFF")


def test_the_larger_of_two_tiff_sizes_counts():
    """A size that comes twice counts by its larger value, in either order."""
    sizes = [(256, 4, 1, 900), (256, 4, 1, 8), (257, 4, 1, 8), (257, 4, 1, 700)]
    assert declared_size(tiff_of(*sizes), "TIFF") == (900, 700)


def test_a_file_that_grows_after_its_header_is_refused():
    """A PNG whose second header declares more pixels gets no more memory than its first asked."""
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 4000, 4000, 8, 2, 0, 0, 0))
    upload = sniff(png_with(second), LIMITS)
    assert upload.size == (96, 64)
    with pytest.raises(InvalidImage, match="two sizes"):
        decode(upload, LIMITS, 64)
