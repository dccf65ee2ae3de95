"""Telling format and size from headers, whatever the bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import pictures
from tests.hostile.avif_parts import avif_of, picture_item
from topfive.errors import (
    EmptyFile,
    Failure,
    FileTooLarge,
    ImageTooLarge,
    InvalidImage,
    UnsupportedFormat,
)
from topfive.images.limits import ImageLimits
from topfive.images.sniff import FORMATS, sniff

LIMITS = ImageLimits()
MAGIC = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF89a",
    "BMP": b"BM",
    "WEBP": b"RIFF\x00\x00\x00\x00WEBP",
    "TIFF": b"II*\x00",
    "TIFF, big-endian": b"MM\x00*",
    "TIFF, BigTIFF": b"II+\x00",
    "AVIF": b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif",
}
HEADERS = {
    "JPEG": pictures.forged_jpeg(640, 480),
    "JPEG, progressive": pictures.forged_jpeg(640, 480, frame_marker=0xC2),
    "PNG": pictures.forged_png(640, 480),
    "GIF": pictures.forged_gif((640, 480), (0, 0, 640, 480), has_table=True),
    "GIF, no table": pictures.forged_gif((640, 480), has_table=False),
    "BMP": pictures.forged_bmp(640, 480),
    "BMP, top down": pictures.forged_bmp(640, -480),
    "BMP, short header": pictures.bmp_core(640, 480)[:26],
    "WEBP VP8": pictures.forged_webp(b"VP8 ", 640, 480),
    "WEBP VP8L": pictures.forged_webp(b"VP8L", 640, 480),
    "WEBP VP8X": pictures.forged_webp(b"VP8X", 640, 480),
    "TIFF": pictures.forged_tiff(640, 480),
    "TIFF, short values": pictures.forged_tiff(640, 480, code="H"),
    "TIFF, big-endian": pictures.forged_tiff(640, 480, ">"),
    "TIFF, big-endian, short values": pictures.forged_tiff(640, 480, ">", code="H"),
    "TIFF, BigTIFF": pictures.forged_big_tiff(640, 480),
    "AVIF": avif_of(picture_item(640, 480, b"")),
}
REAL = {
    **pictures.every_format(),
    "JPEG, progressive": pictures.jpeg(progressive=True),
    "JPEG, four inks": pictures.cmyk_jpeg(),
    "JPEG, several pictures": pictures.mpo(),
    "JPEG, EXIF first": pictures.rotated_jpeg(1),
    "GIF, animated": pictures.animated_gif(),
    "BMP, top down": pictures.bmp_top_down(),
    "WEBP, lossless": pictures.webp(lossless=True),
    "WEBP, extended": pictures.webp_extended(),
    "WEBP, animated": pictures.animated_webp(),
    "PNG, animated": pictures.animated_png(),
    "TIFF, BigTIFF": pictures.tiff(big_tiff=True),
    "AVIF, animated": pictures.animated_avif(),
}


def _size(data: bytes) -> tuple[int, int] | None:
    return sniff(data, LIMITS).size


@pytest.mark.parametrize("kind", REAL)
def test_real_pictures_are_told_with_their_size(kind):
    """The format and size of a real picture are read from its header."""
    found = sniff(REAL[kind], LIMITS)
    assert found.format == kind.partition(",")[0]
    assert found.size == (96, 64)
    assert found.data == REAL[kind]


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_alone_tells_the_size(kind):
    """The size is known from the header, before any of the picture's data."""
    assert _size(HEADERS[kind]) == (640, 480)


@pytest.mark.parametrize("kind", {**HEADERS, **REAL})
def test_a_header_cut_anywhere_raises_only_failures(kind):
    """A file cut off at any length is refused as a failure, or passed on to the decoder."""
    whole = {**REAL, **HEADERS}[kind]
    for length in range(min(len(whole), 700)):
        code = None
        try:
            size = sniff(whole[:length], LIMITS).size
            assert size is None or min(size) > 0
        except Failure as failure:
            code = failure.code
        assert code in {None, "empty_file", "unsupported_format", "invalid_image"}


@given(st.sampled_from(sorted(MAGIC)), st.binary(max_size=300))
def test_any_bytes_after_a_magic_raise_only_failures(kind, rest):
    """Nothing that follows a known beginning makes the sniffer raise anything but a Failure."""
    try:
        found = sniff(MAGIC[kind] + rest, LIMITS)
    except Failure:
        return
    assert found.format == kind.partition(",")[0]
    assert found.size is None or 0 < found.size[0] * found.size[1] <= LIMITS.max_pixels


@given(
    st.sampled_from(sorted(HEADERS)),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_changed_headers_raise_only_failures(kind, changes):
    """A header with some bytes changed never makes the sniffer raise anything but a Failure."""
    data = bytearray(HEADERS[kind])
    for position, value in changes:
        data[position % len(data)] = value
    try:
        found = sniff(bytes(data), LIMITS)
    except Failure:
        return
    assert found.size is None or 0 < found.size[0] * found.size[1] <= LIMITS.max_pixels


@pytest.mark.parametrize(
    "data",
    [
        pictures.forged_png(30_000, 30_000),
        pictures.forged_jpeg(65_535, 65_535),
        pictures.forged_jpeg(30_000, 30_000, frame_marker=0xC2),
        pictures.forged_gif((1, 1), (0, 0, 30_000, 30_000), has_table=True),
        pictures.forged_gif((1, 1), (29_000, 29_000, 10, 10), has_table=False),
        pictures.forged_gif((65_535, 65_535), has_table=False),
        pictures.forged_bmp(30_000, 30_000),
        pictures.forged_bmp(30_000, -30_000),
        pictures.forged_webp(b"VP8 ", 16_383, 16_383),
        pictures.forged_webp(b"VP8L", 16_384, 16_384),
        pictures.forged_webp(b"VP8X", 1 << 24, 100),
        pictures.forged_tiff(30_000, 30_000),
        pictures.forged_tiff(30_000, 30_000, ">", code="H"),
        pictures.forged_big_tiff(30_000, 30_000),
    ],
)
def test_a_declared_bomb_is_refused_by_its_header(data):
    """A few bytes that declare a huge picture are refused without being decoded."""
    assert len(data) < 200
    with pytest.raises(ImageTooLarge, match="at most 25000000"):
        sniff(data, LIMITS)


def test_the_largest_picture_allowed_is_allowed():
    """A picture of exactly as many pixels as allowed passes; one row more does not."""
    limits = ImageLimits(max_pixels=5000)
    assert sniff(pictures.forged_png(100, 50), limits).size == (100, 50)
    with pytest.raises(ImageTooLarge, match="100 x 51"):
        sniff(pictures.forged_png(100, 51), limits)


def test_the_largest_upload_allowed_is_allowed():
    """An upload of exactly as many bytes as allowed passes; with one byte more it does not."""
    data = pictures.png()
    assert sniff(data, ImageLimits(max_bytes=len(data))).format == "PNG"
    with pytest.raises(FileTooLarge, match=str(len(data) - 1)):
        sniff(data, ImageLimits(max_bytes=len(data) - 1))


def test_size_is_checked_before_the_format():
    """An upload that is too large is refused as that, whatever it holds."""
    with pytest.raises(FileTooLarge):
        sniff(b"no picture at all", ImageLimits(max_bytes=5))


def test_no_bytes_are_an_empty_file():
    """Zero bytes are told apart from a wrong format."""
    with pytest.raises(EmptyFile):
        sniff(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x10\x00\x00\x00WAVEfmt ",
        b"8BPS\x00\x01",
        b"MM\x00+",
        b"P6 10 10 255 ",
        b"\xff\xd8",
        b"GIF88a",
        b" " + pictures.PNG_MAGIC,
    ],
)
def test_other_formats_are_refused_by_name(data):
    """What is not one of the accepted formats is refused with the list of them."""
    with pytest.raises(UnsupportedFormat) as refusal:
        sniff(data, LIMITS)
    assert refusal.value.detail.startswith("The format of the file is not supported. ")
    assert all(name in refusal.value.detail for name in FORMATS)


@pytest.mark.parametrize(
    "data",
    [
        pictures.forged_png(0, 10),
        pictures.forged_png(10, 0),
        pictures.forged_bmp(0, 10),
        pictures.forged_bmp(-10, 10),
        pictures.forged_jpeg(0, 10),
        pictures.forged_tiff(0, 10),
        pictures.forged_big_tiff(10, 0),
        avif_of(picture_item(0, 10)),
        pictures.forged_webp(b"VP8 ", 0, 0),
    ],
)
def test_a_picture_of_no_size_is_damaged(data):
    """A declared width or height of zero or less makes a damaged picture."""
    with pytest.raises(InvalidImage, match="declares a size"):
        sniff(data, LIMITS)


def test_a_png_must_begin_with_its_header():
    """A PNG whose first block is another one is damaged."""
    data = pictures.png().replace(b"IHDR", b"IDAT", 1)
    with pytest.raises(InvalidImage, match="does not begin with its header"):
        sniff(data, LIMITS)


def test_a_webp_of_an_unknown_chunk_is_damaged():
    """A WebP that begins with neither of the three picture chunks is damaged."""
    data = pictures.forged_webp(b"VP8X", 10, 10).replace(b"VP8X", b"ICCP")
    with pytest.raises(InvalidImage, match="WebP"):
        sniff(data, LIMITS)


def test_the_first_frame_header_of_a_jpeg_counts():
    """A JPEG with several frame headers has the first one's size."""
    second = pictures.forged_jpeg(1000, 900)[20:]
    assert _size(pictures.forged_jpeg(640, 480) + second) == (640, 480)


def test_a_frame_header_inside_another_segment_is_not_read():
    """Bytes in a JPEG's comment or thumbnail that look like a frame header do not count."""
    decoy = pictures.forged_jpeg(9999, 9999)
    segment = b"\xff\xfe" + struct.pack(">H", len(decoy) + 2) + decoy
    real = pictures.forged_jpeg(640, 480)
    assert _size(real[:2] + segment + real[2:]) == (640, 480)


def test_fill_bytes_between_jpeg_segments_are_skipped():
    """A JPEG may pad with any number of FF bytes before a marker, and with stray markers."""
    real = pictures.forged_jpeg(640, 480)
    assert _size(real[:2] + b"\xff" * 5000 + real[2:]) == (640, 480)
    assert _size(real[:2] + b"\xff\x01\xff\xd0" + real[2:]) == (640, 480)


def test_a_jpeg_that_tells_its_height_later_counts_as_one_row():
    """Height 0 (told at the end of the data) is left to the decoder."""
    assert _size(pictures.forged_jpeg(640, 0)) == (640, 1)


def test_a_jpeg_without_a_frame_has_no_size():
    """A JPEG that never tells its size is left to the decoder, which reads headers only."""
    assert _size(b"\xff\xd8\xff\xe0\x00\x04ab") is None


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC])
def test_tables_are_not_frame_headers(marker):
    """Markers of tables lie among those of frames and hold no size."""
    table = pictures.forged_jpeg(9999, 9999, frame_marker=marker)[20:]
    real = pictures.forged_jpeg(640, 480)
    assert _size(real[:2] + table + real[2:]) == (640, 480)


def test_a_gif_frame_may_stand_out_of_the_screen():
    """A GIF's size covers both its screen and its first frame, wherever that is."""
    data = pictures.forged_gif((10, 10), (5, 7, 10, 20), has_table=True)
    assert _size(data) == (15, 27)


def test_a_gif_without_a_screen_size_has_no_size_yet():
    """A GIF with a screen of no size, and no frame at once, is left to the decoder."""
    assert _size(pictures.forged_gif((0, 0), has_table=False) + b"!") is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_without_plain_sizes_has_no_size(order):
    """A TIFF whose size is written in an unusual way is left to the decoder."""
    data = pictures.forged_tiff(640, 480, order)
    unusual = data.replace(struct.pack(f"{order}HH", 256, 4), struct.pack(f"{order}HH", 256, 5))
    assert _size(unusual) is None


def test_a_tiff_of_bytes_is_read():
    """A TIFF may write small sizes as single bytes."""
    assert _size(pictures.forged_tiff(200, 100, code="B")) == (200, 100)


def test_a_tiff_directory_beyond_the_end_is_damaged():
    """A TIFF whose directory lies outside the file is damaged."""
    with pytest.raises(InvalidImage, match="cut off"):
        sniff(b"II*\x00\xff\xff\xff\xff", LIMITS)


def test_messages_hold_none_of_the_upload():
    """What is told of a damaged file never quotes it."""
    with pytest.raises(InvalidImage) as refusal:
        sniff(pictures.PNG_MAGIC + b"SECRETSECRETSECRET", LIMITS)
    assert "SECRET" not in refusal.value.detail
