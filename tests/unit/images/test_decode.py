"""Decoding: every kind of picture becomes upright RGB, every damaged one a failure."""

from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image

from tests import pictures
from tests.hostile.avif_parts import (
    Item,
    alpha_avif,
    avif_of,
    grid_item,
    picture_item,
    references,
)
from tests.hostile.trap_parts import exif as trap_exif
from topfive.errors import Failure, ImageTooLarge, InvalidImage, OutOfMemory
from topfive.images import decode as decode_module
from topfive.images.decode import Decoded, decode
from topfive.images.heic import is_installed
from topfive.images.limits import ImageLimits
from topfive.images.sniff import FORMATS, SniffedPicture, sniff

# Pillow warns of odd metadata as it reads on; in the service that is not an error.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMITS = ImageLimits()
NO_SHRINKING = 100_000
DAMAGEABLE = {
    **pictures.every_format(),
    "JPEG, progressive": pictures.jpeg(progressive=True),
    "JPEG, several pictures": pictures.mpo(),
    "WEBP, lossless": pictures.webp(lossless=True),
    "GIF, animated": pictures.animated_gif(),
    "PNG, palette": pictures.palette_png_with_hole(),
    "TIFF, BigTIFF": pictures.tiff(big_tiff=True),
    "AVIF, with alpha": alpha_avif(),
    "AVIF, animated": pictures.animated_avif(),
}


def _decode(data: bytes, least_side: int = NO_SHRINKING) -> Decoded:
    return decode(sniff(data, LIMITS), LIMITS, least_side)


def _pixels(data: bytes) -> np.ndarray:
    decoded = _decode(data).pixels
    assert decoded.mode == "RGB"
    return np.asarray(decoded).astype(int)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


HEIC = pytest.param(
    "HEIC", 4, marks=pytest.mark.skipif(not is_installed(), reason="pillow-heif is not installed")
)
DRAWN = np.asarray(pictures.draw())


@pytest.mark.parametrize(
    ("image_format", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("JPEG", 4), ("WEBP", 6), ("GIF", 8), ("AVIF", 6), HEIC],
)
def test_every_format_gives_the_picture_that_was_drawn(image_format, tolerance):
    """Each accepted format decodes to its own picture, size and name."""
    data = pictures.every_format()[image_format]
    decoded = _decode(data)
    assert (decoded.format, decoded.size, decoded.pixels.size) == (image_format, (96, 64), (96, 64))
    assert _difference(_pixels(data), DRAWN) <= tolerance


@pytest.mark.parametrize(
    ("data", "least_side", "fits"),
    [
        (pictures.jpeg(800, 600), 100, [True, True, False]),
        (pictures.jpeg(800, 600), NO_SHRINKING, [True, True, True]),
        (pictures.png(80, 60), 100, [True, True, True]),
    ],
)
def test_a_picture_knows_for_what_it_was_shrunk_too_far(data, least_side, fits):
    """What was shrunk suits a model that wants less, what is whole suits every model."""
    decoded = _decode(data, least_side)
    assert [decoded.has_side(side) for side in (50, 100, 400)] == fits
    assert decoded.held_bytes == np.asarray(decoded.pixels).nbytes


def test_all_accepted_formats_are_tested():
    """The list of formats above is the list of those accepted."""
    assert set(pictures.every_format()) == set(FORMATS)


@pytest.mark.parametrize(
    "data",
    [
        pictures.bmp_top_down(),
        pictures.webp(lossless=True),
        pictures.tiff(compression="tiff_lzw"),
        pictures.tiff(compression="tiff_adobe_deflate"),
        pictures.tiff(big_endian=True),
        pictures.tiff(big_tiff=True),
        pictures.tiff(big_tiff=True, compression="tiff_lzw"),
    ],
)
def test_lossless_variants_give_the_same_picture(data):
    """Row order, compression and byte order make no difference."""
    assert _difference(_pixels(data), DRAWN) == 0


def test_progressive_jpeg_equals_baseline():
    """A progressive JPEG holds the same picture as a baseline one."""
    assert _difference(_pixels(pictures.jpeg(progressive=True)), _pixels(pictures.jpeg())) < 0.01


def test_grey_becomes_three_equal_channels():
    """A grey picture has the same value in red, green and blue."""
    pixels = _pixels(pictures.grey_jpeg())
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert _difference(pixels[..., 0], np.asarray(pictures.draw().convert("L"))) < 4


def test_four_inks_become_rgb():
    """A CMYK JPEG shows the colours it was made of, not their negative."""
    assert _difference(_pixels(pictures.cmyk_jpeg()), DRAWN) < 8


def test_palette_transparency_lies_over_white():
    """A see-through palette colour shows white paper."""
    pixels = _pixels(pictures.palette_png_with_hole(8, 8))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0, [255, 255, 255]), (128, [132, 127, 127]), (255, [10, 0, 0])],
)
def test_alpha_lies_over_white(alpha, expected):
    """A half see-through colour is mixed with white paper."""
    pixels = _pixels(pictures.alpha_png((10, 0, 0, alpha)))
    assert _difference(pixels[0, 0], np.array(expected)) <= 1


def test_grey_alpha_lies_over_white():
    """Grey with alpha is mixed with white paper as colour is."""
    image = Image.new("LA", (4, 4), (0, 128))
    assert abs(_pixels(pictures.encode(image, "PNG"))[0, 0, 0] - 127) <= 1


def test_one_see_through_colour_lies_over_white():
    """A PNG that names one RGB or grey value see-through shows white there."""
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.paste((200, 0, 0), (2, 0, 4, 4))
    pixels = _pixels(pictures.encode(image, "PNG", transparency=(10, 20, 30)))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 3].tolist() == [200, 0, 0]
    grey = pictures.encode(Image.new("L", (4, 4), 7), "PNG", transparency=7)
    assert (_pixels(grey) == 255).all()


def test_one_see_through_bit_lies_over_white():
    """A PNG of one bit a pixel whose black is see-through is all white."""
    stripes = np.tile([True, False], (8, 4))
    assert (_pixels(pictures.one_bit_png(stripes, transparency=0)) == 255).all()


def test_one_see_through_white_bit_changes_nothing():
    """A PNG of one bit a pixel whose white is see-through looks as it would without."""
    stripes = np.tile([True, False], (8, 4))
    see_through = _pixels(pictures.one_bit_png(stripes, transparency=1))
    assert (see_through == _pixels(pictures.one_bit_png(stripes))).all()


def test_sixteen_bit_see_through_grey_lies_over_white():
    """A 16-bit grey PNG whose one value is see-through shows white there."""
    values = np.full((4, 4), 1000, np.uint16)
    values[:, 2:] = 40_000
    data = pictures.encode(Image.fromarray(values), "PNG", transparency=1000)
    pixels = _pixels(data)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 3].tolist() == [156, 156, 156]


def test_one_bit_becomes_black_and_white():
    """A picture of one bit a pixel is pure black and pure white."""
    stripes = np.tile([True, False], (8, 4))
    pixels = _pixels(pictures.one_bit_png(stripes))
    assert pixels[0, :2, 0].tolist() == [255, 0]


WIDE = np.arange(0, 65_536, 257, dtype=np.uint16).reshape(16, 16)


@pytest.mark.parametrize(
    "data",
    [
        pictures.grey_png_16_bit(WIDE),
        pictures.tiff_16_bit(WIDE, "<"),
        pictures.tiff_16_bit(WIDE, ">"),
    ],
)
def test_sixteen_bits_keep_their_whole_range(data):
    """A 16-bit grey picture is scaled to 8 bits, not clipped."""
    assert _pixels(data)[..., 0].tolist() == np.arange(256).reshape(16, 16).tolist()


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_floats_are_read_by_their_range(scale):
    """A float picture from 0 to 1 and one from 0 to 255 look the same; what is no number is 0."""
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8) * np.float32(scale)
    values[0, 1] = np.nan
    pixels = _pixels(pictures.tiff_float(values))
    assert pixels[0, 0, 0] == pixels[0, 1, 0] == 0
    assert pixels[-1, -1].tolist() == [255, 255, 255]
    assert abs(pixels[4, 0, 0] - 255 * 32 / 63) <= 1


def test_32_bit_integers_are_read_by_their_range():
    """A 32-bit grey picture of small values is not darkened; one of large values is scaled."""
    small = Image.fromarray(np.full((4, 4), 200, np.int32))
    large = Image.fromarray(np.full((4, 4), 51_200, np.int32))
    assert (_pixels(pictures.encode(small, "TIFF")) == 200).all()
    assert (_pixels(pictures.encode(large, "TIFF")) == 200).all()


@pytest.mark.parametrize(
    "data",
    [
        pictures.animated_gif(),
        pictures.animated_webp(),
        pictures.animated_png(),
        pictures.animated_avif(),
    ],
)
def test_the_first_frame_of_an_animation_counts(data):
    """Of red, green and blue frames, the red one is seen."""
    assert _difference(_pixels(data)[10, 10], np.array([255, 0, 0])) <= 1


def test_a_multi_picture_jpeg_is_a_jpeg():
    """A JPEG with several pictures in it is called JPEG, and its first picture counts."""
    decoded = _decode(pictures.mpo())
    assert decoded.format == "JPEG"
    assert _difference(np.asarray(decoded.pixels), DRAWN) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_jpeg_is_upright(orientation):
    """All eight EXIF orientations of one picture decode alike, with the upright size."""
    decoded = _decode(pictures.rotated_jpeg(orientation))
    assert decoded.size == decoded.pixels.size == (96, 64)
    assert _difference(np.asarray(decoded.pixels), DRAWN) < 4


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_other_formats_is_upright(image_format, orientation):
    """PNG, WebP and TIFF carry orientations too, and are turned exactly."""
    decoded = _decode(pictures.rotated(orientation, image_format))
    assert decoded.size == decoded.pixels.size == (96, 64)
    assert _difference(np.asarray(decoded.pixels), DRAWN) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_an_avif_is_upright(orientation):
    """Rotation and mirror, which AVIF has in place of EXIF's orientation, are obeyed once."""
    decoded = _decode(pictures.rotated_avif(orientation))
    assert decoded.size == decoded.pixels.size == (96, 64)
    assert _difference(np.asarray(decoded.pixels), DRAWN) < 4


def test_the_orientation_in_an_avifs_xmp_does_not_count():
    """What a program noted does not turn it."""
    data = pictures.avif(xmp=b'<rdf:Description tiff:Orientation="6"/>')
    assert _decode(data).size == (96, 64)
    assert _difference(_pixels(data), DRAWN) < 6


def test_the_orientation_in_an_avifs_exif_does_not_count():
    """As in browsers, only the AVIF's own rotation turns it."""
    exif = Item(b"Exif", bytes(4) + trap_exif(274, 3, 1, b"\x06"), ())
    data = avif_of(picture_item(), exif, references=references(b"cdsc", 2, 1))
    with Image.open(BytesIO(data)) as image:
        assert "exif" in image.info
    assert _difference(_pixels(data), DRAWN) < 6


def test_alpha_of_an_avif_lies_over_white():
    """An AVIF that is half see-through shows white paper behind it."""
    expected = (DRAWN.astype(int) + 255) / 2
    assert _difference(_pixels(alpha_avif(alpha=128)), expected) < 4
    assert (_pixels(alpha_avif(alpha=0)) == 255).all()


def test_a_grid_of_avifs_is_one_picture():
    """Two cells side by side are decoded as one picture; memory for cells counts too."""
    cells = picture_item(), picture_item()
    data = avif_of(grid_item(1, 2, 192, 64), *cells, references=references(b"dimg", 1, 2, 3))
    upload = sniff(data, LIMITS)
    assert upload.decoding_bytes(0) == 22 * (192 * 64 + 96 * 64)
    pixels = _pixels(data)
    assert _difference(pixels[:, :96], DRAWN) < 6
    assert _difference(pixels[:, 96:], DRAWN) < 6


def test_an_avif_coded_larger_than_it_declares_counts_as_coded():
    """Memory is set aside for what the decoder unpacks, not for what the boxes say."""
    upload = sniff(avif_of(picture_item(12, 8)), LIMITS)
    assert upload.decoding_bytes(0) == 22 * 96 * 64
    assert decode(upload, LIMITS, NO_SHRINKING).size == (12, 8)


def test_avif_is_decoded_by_one_thread():
    """A slot has one thread, so the decoder starts none."""
    data = pictures.avif(1024, 1024)
    started: list[int] = []
    watched = sniff(data, LIMITS)
    before = len(list(Path("/proc/self/task").iterdir()))

    def watch() -> None:
        while not done.is_set():
            started.append(len(list(Path("/proc/self/task").iterdir())))

    done = Event()
    watcher = Thread(target=watch)
    watcher.start()
    decode(watched, LIMITS, NO_SHRINKING)
    done.set()
    watcher.join()
    assert max(started) <= before + 1
    assert AvifImagePlugin.DEFAULT_MAX_THREADS == 1


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_unknown_orientation_means_upright(orientation):
    """A number that no standard defines turns nothing."""
    exif = Image.Exif()
    exif[pictures.EXIF_ORIENTATION] = orientation
    data = pictures.jpeg(exif=exif.tobytes())
    assert _difference(_pixels(data), _pixels(pictures.jpeg())) == 0


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (pictures.jpeg_with_broken_exif(), 4),
        (pictures.jpeg_with_late_exif_offset(), 4),
        (pictures.encode(pictures.draw(), "PNG", exif=b"Exif\x00\x00no directory"), 0),
        (pictures.encode(pictures.draw(), "WEBP", lossless=True, exif=b"no directory"), 0),
    ],
)
def test_broken_exif_means_upright(data, tolerance):
    """A picture whose EXIF makes no sense is decoded as it lies."""
    assert _difference(_pixels(data), DRAWN) <= tolerance


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_shrunk_but_never_below_the_least_side(orientation):
    """Shrinking while decoding keeps the shorter side, and tells the whole picture's size."""
    data = pictures.rotated_jpeg(orientation, 1024, 768)
    decoded = _decode(data, least_side=150)
    assert decoded.size == (1024, 768)
    assert decoded.pixels.size == (256, 192)
    assert _decode(data, least_side=NO_SHRINKING).pixels.size == (1024, 768)


@pytest.mark.parametrize("width", [1000, 1023, 1025])
@pytest.mark.parametrize("least_side", [100, 125, 250, 500, 513])
def test_shrinking_holds_its_promise_for_odd_sizes(width, least_side):
    """Whatever the size, neither side falls below the least, rounding included."""
    decoded = _decode(pictures.jpeg(width, 1001), least_side)
    assert min(decoded.pixels.size) >= least_side


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_cut_off_picture_is_invalid(image_format):
    """A picture that ends half way is refused, not guessed."""
    data = {**pictures.every_format(), "JPEG": pictures.jpeg(400, 300)}[image_format]
    with pytest.raises(InvalidImage) as refusal:
        _decode(data[: len(data) // 2])
    assert refusal.value.detail == f"The {image_format} file is damaged or cut off."


def test_a_header_with_nothing_behind_it_is_invalid():
    """A well-formed header with no picture data is refused."""
    for data in (pictures.forged_png(10, 10), pictures.forged_jpeg(10, 10)):
        with pytest.raises(InvalidImage):
            _decode(data)


def test_a_jpeg_that_tells_its_height_last_is_invalid():
    """A height of 0 in the header is not decoded."""
    with pytest.raises(InvalidImage):
        _decode(pictures.forged_jpeg(640, 0))


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(
    st.sampled_from(sorted(DAMAGEABLE)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
    st.floats(0.05, 1),
)
def test_damaged_pictures_raise_only_failures(kind, changes, kept):
    """Changed bytes and missing ends give a picture or a Failure, never another error."""
    data = bytearray(DAMAGEABLE[kind][: max(1, int(len(DAMAGEABLE[kind]) * kept))])
    for place, value in changes:
        data[int(place * len(data))] = value
    status = 200
    try:
        assert _decode(bytes(data), least_side=64).pixels.mode == "RGB"
    except Failure as failure:
        status = failure.status
    assert status in {200, 400, 413}


def test_the_size_is_checked_again_by_the_decoder():
    """A picture larger than its header let see is refused before its pixels take memory."""
    upload = SniffedPicture(pictures.png(100, 100), "PNG", None)
    with pytest.raises(ImageTooLarge, match="100 x 100"):
        decode(upload, ImageLimits(max_pixels=9999), NO_SHRINKING)


def test_only_the_sniffed_format_is_tried():
    """Bytes are never handed to the decoder of another format than the one sniffed."""
    with pytest.raises(InvalidImage, match="GIF"):
        decode(SniffedPicture(pictures.png(), "GIF", None), LIMITS, NO_SHRINKING)


def test_a_bomb_by_the_librarys_own_measure_is_too_large():
    """Where only the decoder sees how large a picture is, it is refused as too large."""
    upload = SniffedPicture(pictures.forged_png(30_000, 30_000), "PNG", None)
    with pytest.raises(ImageTooLarge):
        decode(upload, LIMITS, NO_SHRINKING)


def test_no_memory_is_told_as_such(monkeypatch):
    """Running out of memory while decoding is ours to mend, not the picture's fault."""

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decode_module, "_rgb", fail)
    with pytest.raises(OutOfMemory):
        _decode(pictures.png())
