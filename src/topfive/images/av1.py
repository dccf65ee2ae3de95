"""What an AV1 stream makes its decoder do: the size and number of its frames.

Read from its open bitstream units (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.9),
since a stream may be larger than the picture that its file declares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from topfive.images.bits import MAX_UNITS, Bits, Work

_SEQUENCE_HEADER = 1
_FRAME_HEADERS = frozenset({3, 6, 7})
_CHOOSE = 2
_KEY, _SWITCH = 0, 3


@dataclass(frozen=True, slots=True)
class _Sequence:
    pixels: int
    largest_pixels: int
    has_short_headers: bool
    has_grain: bool
    presentation_bits: int
    screen_tools: int
    integer_motion: int
    frame_id_bits: int


def measure_av1(data: bytes) -> Work:
    """Add up the pixels of all frames in a stream; raises IndexError if it is cut off."""
    sequence: _Sequence | None = None
    units = coded = grain = 0
    for kind, start in islice(_units(data), MAX_UNITS):
        units += 1
        if kind == _SEQUENCE_HEADER:
            sequence = _read_sequence(Bits(data, start))
        elif kind in _FRAME_HEADERS and sequence is not None:
            pixels = _frame_pixels(Bits(data, start), sequence)
            coded += pixels
            # Grain is laid over a copy of the frame, a third of what decoding takes in all.
            grain = max(grain, pixels // 3 if sequence.has_grain else 0)
    return Work(coded, coded + grain, units)


def _units(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the type of each unit and where its content begins."""
    position = 0
    while position < len(data):
        header = data[position]
        position += 2 if header & 4 else 1
        length = len(data) - position
        if header & 2:
            length, position = _read_length(data, position)
        yield header >> 3 & 15, position
        position += length


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first (leb128)."""
    length = 0
    for index in range(8):
        byte = data[position + index]
        length |= (byte & 127) << 7 * index
        if byte < 128:
            return length, position + index + 1
    raise IndexError(position)


def _read_sequence(bits: Bits) -> _Sequence:
    """Read a sequence header (5.5) up to whether its frames have grain."""
    profile, _, is_short = bits.read(3), bits.read(1), bool(bits.read(1))
    presentation_bits = 0
    if is_short:
        bits.read(5)
    else:
        presentation_bits = _read_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    pixels = (bits.read(width_bits) + 1) * (bits.read(height_bits) + 1)
    frame_id_bits = 0
    if not is_short and bits.read(1):
        frame_id_bits = bits.read(4) + 2 + bits.read(3) + 1
    bits.read(3)
    screen_tools = integer_motion = _CHOOSE
    if not is_short:
        screen_tools, integer_motion = _read_tools(bits)
    bits.read(3)
    _read_colour(bits, profile)
    largest = 1 << width_bits + height_bits
    return _Sequence(
        pixels, largest, is_short, bool(bits.read(1)),
        presentation_bits, screen_tools, integer_motion, frame_id_bits,
    )  # fmt: skip


def _read_operating_points(bits: Bits) -> int:
    """Skip timing and operating points; return how many bits a frame's time of showing has."""
    delay_bits = presentation_bits = 0
    has_decoder_model = False
    if bits.read(1):
        bits.read(64)
        has_equal_intervals = bits.read(1)
        if has_equal_intervals:
            _skip_golomb(bits)
        has_decoder_model = bool(bits.read(1))
        if has_decoder_model:
            delay_bits = bits.read(5) + 1
            bits.read(37)
            presentation_bits = bits.read(5) + 1
        if has_equal_intervals:
            presentation_bits = 0
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if has_decoder_model and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
    return presentation_bits


def _skip_golomb(bits: Bits) -> None:
    zeros = 0
    while zeros < 32 and not bits.read(1):
        zeros += 1
    bits.read(zeros if zeros < 32 else 0)


def _read_tools(bits: Bits) -> tuple[int, int]:
    """Skip the tools for moving pictures; return how two tools are chosen for each frame."""
    bits.read(4)
    has_order = bits.read(1)
    if has_order:
        bits.read(2)
    screen_tools = _CHOOSE if bits.read(1) else bits.read(1)
    integer_motion = _CHOOSE
    if screen_tools and not bits.read(1):
        integer_motion = bits.read(1)
    if has_order:
        bits.read(3)
    return screen_tools, integer_motion


def _read_colour(bits: Bits, profile: int) -> None:
    has_many_bits = bits.read(1)
    has_twelve_bits = profile == 2 and has_many_bits and bits.read(1)
    is_grey = profile != 1 and bits.read(1)
    colours = bits.read(24) if bits.read(1) else 0x020202
    if is_grey:
        bits.read(1)
    elif colours == 0x010D00:
        # sRGB: nothing more than whether alpha and colour are quantised apart.
        bits.read(1)
    else:
        bits.read(1)
        _read_subsampling(bits, profile, bool(has_twelve_bits))
        bits.read(1)


def _read_subsampling(bits: Bits, profile: int, has_twelve_bits: bool) -> None:
    across = down = profile == 0
    if profile == 2:
        across = True
        if has_twelve_bits:
            across = bool(bits.read(1))
            down = across and bool(bits.read(1))
    if across and down:
        bits.read(2)


def _frame_pixels(bits: Bits, sequence: _Sequence) -> int:
    """Read a frame header (5.9) up to whether the frame has a size of its own."""
    if sequence.has_short_headers:
        return sequence.pixels
    if bits.read(1):
        return 0
    frame_type, is_shown = bits.read(2), bits.read(1)
    bits.read(sequence.presentation_bits if is_shown else 1)
    is_resilient = frame_type == _SWITCH or (frame_type == _KEY and is_shown)
    bits.read(1 if is_resilient else 2)
    tools = bits.read(1) if sequence.screen_tools == _CHOOSE else sequence.screen_tools
    if tools and sequence.integer_motion == _CHOOSE:
        bits.read(1)
    bits.read(sequence.frame_id_bits)
    has_own_size = frame_type == _SWITCH or bits.read(1)
    return sequence.largest_pixels if has_own_size else sequence.pixels
