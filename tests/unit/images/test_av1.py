"""Sequence headers of every kind are read up to the frames' size."""

import pytest

from tests.hostile.avif_parts import unit
from topfive.images.av1 import measure_av1

# Pieces of a sequence header (5.5.1), from its profile on. Sizes are 16 bits: 100 x 80 pixels.
_SIZE = "1111" * 2 + f"{99:016b}{79:016b}"
_TIMING = "0" * 64
_PLAIN_POINT = "0" * 12 + "00000"
_COLOUR = {
    "4:2:0, 8 bits": ("000", "0" + "0" + "0" + "0" + "00" + "0"),
    "4:2:0, named colours": ("000", "0" + "0" + "1" + "00000001" * 3 + "0" + "00" + "0"),
    "grey, 10 bits": ("000", "1" + "1" + "0" + "0"),
    "4:4:4, 10 bits": ("001", "1" + "0" + "0" + "0"),
    "sRGB": ("001", "0" + "1" + f"{1:08b}{13:08b}{0:08b}" + "0"),
    "4:2:2, 8 bits": ("010", "0" + "0" + "0" + "0" + "0"),
    "4:4:4, 12 bits": ("010", "11" + "0" + "0" + "0" + "0" + "0"),
    "4:2:2, 12 bits": ("010", "11" + "0" + "0" + "0" + "10" + "0"),
    "4:2:0, 12 bits": ("010", "11" + "0" + "0" + "0" + "11" + "00" + "0"),
}
# What stands between the beginning and the size: whether it tells timing, decoders and their times.
_POINTS = {
    "no timing": "0" + "0" + "00000" + _PLAIN_POINT,
    "timing": "1" + _TIMING + "0" + "0" + "0" + "00000" + _PLAIN_POINT,
    "equal intervals": "1" + _TIMING + "1" + "00101" + "0" + "0" + "00000" + _PLAIN_POINT,
    "two operating points": "0" + "0" + "00001" + _PLAIN_POINT + "0" * 12 + "01000" + "1",
    "display delay": "0" + "1" + "00000" + _PLAIN_POINT + "1" + "0101",
}
# Times of 6 bits, of which an operating point has two, and of 10, of which a frame has one.
_DECODER_MODEL = "1" + _TIMING + "0" + "1" + "00101" + "0" * 32 + "00111" + "01001"
_MODEL_POINT = "0" + "00000" + _PLAIN_POINT + "1" + "0" * 6 + "1" * 6 + "0"


def header(
    *, profile: str = "000", colour: str = "0000000", points: str = _POINTS["no timing"],
    ids: str = "0", tools: str = "0000" + "0" + "1" + "1", grain: str = "0",
) -> bytes:  # fmt: skip
    """Write a sequence header of its pieces, in bits."""
    bits = profile + "00" + points + _SIZE + ids + "000" + tools + "000" + colour + grain + "1"
    length = -(-len(bits) // 8)
    return unit(1, int(bits.ljust(8 * length, "0"), 2).to_bytes(length))


def frame(bits: str) -> bytes:
    """Write a frame of header bits; a one more says that it has a size of its own."""
    length = -(-len(bits) // 8)
    return unit(6, int(bits.ljust(8 * length, "0"), 2).to_bytes(length))


# Not an old frame, a key frame, shown; its probabilities change, and screen content is not its own.
_KEY = "0" + "00" + "1" + "0" + "0"
_LARGEST = 1 << 32


@pytest.mark.parametrize("kind", _COLOUR)
def test_whether_there_is_grain_is_read_behind_the_colours(kind):
    """Every profile, depth and subsampling has its own number of bits before it."""
    profile, colour = _COLOUR[kind]
    for grain, held in (("0", 8000), ("1", 8000 + 2666)):
        data = header(profile=profile, colour=colour, grain=grain) + frame(_KEY + "0")
        assert measure_av1(data).held_pixels == held


@pytest.mark.parametrize("kind", _POINTS)
def test_the_size_is_read_behind_the_operating_points(kind):
    """Timing and operating points are passed over."""
    data = header(points=_POINTS[kind], grain="1")
    work = measure_av1(data + frame(_KEY + "0") + frame(_KEY + "1"))
    assert work.coded_pixels == 8000 + _LARGEST
    assert work.held_pixels > work.coded_pixels


def test_frames_tell_when_they_are_shown():
    """With a decoder's model each shown frame has a time before the rest of its header."""
    data = header(points=_DECODER_MODEL + _MODEL_POINT)
    time = "1" * 10
    shown = "0" + "00" + "1" + time + "0" + "0"
    assert measure_av1(data + frame(shown + "0")).coded_pixels == 8000
    assert measure_av1(data + frame(shown + "1")).coded_pixels == _LARGEST
    # One that is not shown has no time, but whether it may be shown, and whether it is resilient.
    hidden = "0" + "00" + "0" + "1" + "1" + "0" + "0"
    assert measure_av1(data + frame(hidden + "0")).coded_pixels == 8000
    assert measure_av1(data + frame(hidden + "1")).coded_pixels == _LARGEST


@pytest.mark.parametrize(
    ("ids", "tools", "bits"),
    [
        ("1" + "0001" + "010", "0000" + "0" + "1" + "1", _KEY + "1" * 6),
        ("0", "0000" + "1" + "00" + "1" + "1" + "110", _KEY),
        ("0", "0000" + "0" + "0" + "0", "0" + "00" + "1" + "0"),
        ("0", "0000" + "0" + "0" + "1" + "1", "0" + "00" + "1" + "0" + "1"),
        ("0", "0000" + "0" + "0" + "1" + "0" + "1", "0" + "00" + "1" + "0"),
        ("0", "0000" + "0" + "1" + "1", "0" + "00" + "1" + "0" + "1" + "1"),
    ],
    ids=["numbered", "in order", "no screen", "screen", "screen, whole motion", "screen, chosen"],
)
def test_a_frames_own_size_is_found_behind_its_tools(ids, tools, bits):
    """Numbers and tools that each frame may choose come before it."""
    data = header(ids=ids, tools=tools)
    assert measure_av1(data + frame(bits + "0")).coded_pixels == 8000
    assert measure_av1(data + frame(bits + "1")).coded_pixels == _LARGEST


def test_an_old_frame_is_no_work():
    """Showing one again decodes nothing."""
    assert measure_av1(header() + frame("1" + "000")).coded_pixels == 0


def test_a_switch_frame_has_a_size_of_its_own():
    """Its header does not say so, since it is always so."""
    assert measure_av1(header() + frame("0" + "11" + "1" + "0" + "0")).coded_pixels == _LARGEST


@pytest.mark.parametrize("data", [unit(1, b"\x00"), header() + unit(6, b""), b"\x0a" + b"\xff" * 9])
def test_a_header_that_ends_too_soon_is_told(data):
    """Reading on behind the data raises IndexError, which means a damaged header."""
    with pytest.raises(IndexError):
        measure_av1(data)


def test_endless_timing_ends():
    """A number of more than 32 zeros is none."""
    points = "1" + _TIMING + "1" + "0" * 32 + "0" + "0" + "00000" + _PLAIN_POINT
    assert measure_av1(header(points=points) + frame(_KEY + "0")).coded_pixels == 8000
