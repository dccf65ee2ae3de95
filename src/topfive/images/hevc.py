"""What an HEVC stream makes its decoder do: the size and number of its frames.

Read from its parameter sets and slices (ITU-T H.265, 7.3.1 to 7.3.6; ISO/IEC 14496-15, 8.3.3.1),
since a stream may be larger than the picture that its file declares.
"""

from collections.abc import Iterator
from itertools import islice

from topfive.errors import InvalidImage
from topfive.images.bits import MAX_UNITS, Bits, Work

# Of each of three kinds there is one, and perhaps a note of the encoder's.
MAX_CONFIGURED_UNITS = 16

_PARAMETER_SET = 33
_FIRST_PARAMETER = 32
# Parameter sets are some dozens of bytes; what is read lies in the first of them.
_HEADER_BYTES = 256
_MOST_GOLOMB_ZEROS = 32


def configured_pixels(content: bytes) -> int:
    """Find the largest frame that a decoder's configuration (hvcC) allows, in pixels.

    Raises InvalidImage if units have lengths of other than four bytes, as decoders read them, or
    are too many; IndexError if the configuration is cut off.
    """
    if content[21] & 3 != 3:
        raise InvalidImage("The HEIC file writes the lengths of its data in an unusual way.")
    units = list(islice(_configured_units(content), MAX_CONFIGURED_UNITS + 1))
    if len(units) > MAX_CONFIGURED_UNITS:
        raise InvalidImage(f"The HEIC file has more than {MAX_CONFIGURED_UNITS} parameter sets.")
    return max(map(_parameter_pixels, units), default=0)


def measure_hevc(data: bytes, configured: int) -> Work:
    """Add up the pixels of all frames in a stream, none larger than the largest told before.

    `configured` are the pixels that its configuration allows. Raises IndexError if it is cut off.
    """
    units = coded = 0
    largest = configured
    for unit in islice(_units(data), MAX_UNITS):
        units += 1
        largest = max(largest, _parameter_pixels(unit))
        # The first slice of a picture says so in the bit behind its header of two bytes.
        if _kind(unit) < _FIRST_PARAMETER and unit[2] & 128:
            coded += largest
    return Work(coded, coded, units)


def _kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _units(data: bytes) -> Iterator[bytes]:
    """Yield the beginning of each unit, to each of which four bytes of length belong."""
    position = 0
    while position + 6 < len(data):
        length = int.from_bytes(data[position : position + 4])
        position += 4
        if length > 2:
            yield data[position : position + min(length, _HEADER_BYTES)]
        position += length


def _configured_units(content: bytes) -> Iterator[bytes]:
    position = 23
    for _ in range(content[22]):
        count = int.from_bytes(content[position + 1 : position + 3])
        position += 3
        for _ in range(count):
            length = int.from_bytes(content[position : position + 2])
            position += 2
            if position + length > len(content):
                raise IndexError(position)
            yield content[position : position + min(length, _HEADER_BYTES)]
            position += length


def _parameter_pixels(unit: bytes) -> int:
    """Read the size of frames from a sequence parameter set; 0 for any other unit."""
    if len(unit) < 3 or _kind(unit) != _PARAMETER_SET:
        return 0
    # Within a unit, a third byte is put behind two zeros so that they are no beginning.
    bits = Bits(unit.replace(b"\x00\x00\x03", b"\x00\x00"), 2)
    bits.read(4)
    sub_layers = bits.read(3)
    bits.read(1)
    _skip_profile(bits, sub_layers)
    _read_golomb(bits)
    if _read_golomb(bits) == 3:
        bits.read(1)
    return _read_golomb(bits) * _read_golomb(bits)


def _skip_profile(bits: Bits, sub_layers: int) -> None:
    bits.read(96)
    present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.read(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)


def _read_golomb(bits: Bits) -> int:
    """Read a number as Exp-Golomb code, ue(v) (9.2)."""
    zeros = 0
    while not bits.read(1):
        zeros += 1
        if zeros > _MOST_GOLOMB_ZEROS:
            raise IndexError(zeros)
    return (1 << zeros) - 1 + bits.read(zeros)
