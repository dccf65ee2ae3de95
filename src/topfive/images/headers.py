"""What a picture's header declares: its size, and no more work than its pixels are worth.

The sizes are read as the formats' own specifications place them: JPEG (ITU-T T.81, B.2.2), PNG
(W3C, 11.2.2), GIF89a (18), BMP (BITMAPFILEHEADER), WebP (RFC 9649, 2.4 to 2.7); TIFF is read in
`tiff`, AVIF and HEIC in `heif`.
A file whose structure would cost the decoder more than its pixels do is refused here: a few
hundred kilobytes of JPEG scans or TIFF strips can take a core for minutes.
"""

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice

from topfive.errors import ImageTooLarge, InvalidImage
from topfive.images.heif import Size, avif_size, heic_size
from topfive.images.tiff import tiff_size

# Encoders write about ten scans, and each passes over the whole picture; libtiff allows as many.
MAX_JPEG_SCANS = 100
# Some dozens are usual, a few hundred with a depth map; Pillow walks them in Python.
MAX_JPEG_SEGMENTS = 2000
MAX_JPEG_FILL_BYTES = 65_536
MAX_PNG_CHUNKS = 65_536
MAX_GIF_BLOCKS = 65_536
# Pillow decodes run-length coded BMP in Python, about six million pixels or bytes a second.
MAX_BMP_RUN_LENGTH = 4_000_000

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
_JPEG_SCAN_START = re.compile(rb"\xff\xda\x00")
# Pillow reads no length after these, the reserved ones (C8, F0 to FD) included.
_JPEG_ALONE = frozenset({0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})


def declared_size(data: bytes, image_format: str) -> Size | None:
    """Read the width and height in pixels that decoding has to make room for.

    None where only the decoder can tell. Raises InvalidImage where the header makes no sense or
    asks for far too much work, ImageTooLarge where a format has a limit of its own.
    """
    try:
        size = SIZE_READERS[image_format](data)
    except (struct.error, IndexError) as error:
        raise InvalidImage("The picture's header is cut off or damaged.") from error
    if size is not None and min(size) <= 0:
        raise InvalidImage(f"The picture declares a size of {size[0]} x {size[1]} pixels.")
    return size


def _png_size(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise InvalidImage("The PNG file does not begin with its header.")
    if next(islice(_png_chunks(data), MAX_PNG_CHUNKS, None), None) is not None:
        raise InvalidImage(f"The PNG file has more than {MAX_PNG_CHUNKS} chunks. Save it again.")
    return _unpack_size(">II", data, 16)


def _png_chunks(data: bytes) -> Iterator[int]:
    """Yield where each chunk begins, up to the last one or the end of the data."""
    position = 8
    while position + 8 <= len(data) and data[position + 4 : position + 8] != b"IEND":
        yield position
        position += 12 + int.from_bytes(data[position : position + 4])


def _gif_size(data: bytes) -> Size | None:
    screen = _unpack_size("<HH", data, 6)
    # A frame may be larger than the screen and the decoder makes room for it, so the first
    # frame's descriptor counts too.
    colour_table = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    start = _first_gif_frame(data, 13 + colour_table)
    if data[start : start + 1] != b",":
        return screen if min(screen) > 0 else None
    left, top, width, height = struct.unpack_from("<HHHH", data, start + 1)
    return max(screen[0], left + width), max(screen[1], top + height)


def _first_gif_frame(data: bytes, position: int) -> int:
    """Find the first frame, or the end of the data."""
    blocks = 0
    while position < len(data) and data[position] not in b",;":
        is_extension = data[position : position + 1] == b"!"
        ends = _gif_extension(data, position) if is_extension else (position + 1,)
        for end in ends:
            blocks += 1
            if blocks > MAX_GIF_BLOCKS:
                raise InvalidImage(
                    f"The GIF file has more than {MAX_GIF_BLOCKS} blocks before its first frame."
                )
            position = end
    return position


def _gif_extension(data: bytes, position: int) -> Iterator[int]:
    """Yield where each sub-block of an extension ends, read as Pillow reads it.

    In all but comments an empty first sub-block does not end the extension; nor does an empty
    second one in NETSCAPE2.0.
    """
    label = data[position + 1 : position + 2]
    unconditional = 0 if label == b"\xfe" else 1
    if data[position + 1 : position + 14] == b"\xff\x0bNETSCAPE2.0":
        unconditional = 2
    position += 2
    while position < len(data) and (data[position] or unconditional > 0):
        position += 1 + data[position]
        unconditional -= 1
        yield position
    yield position + 1


def _bmp_size(data: bytes) -> Size:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        return _unpack_size("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    is_run_length = data[30:34] in (b"\x01\0\0\0", b"\x02\0\0\0")
    if is_run_length and max(width * abs(height), len(data)) > MAX_BMP_RUN_LENGTH:
        raise ImageTooLarge(
            f"A run-length coded BMP may have {MAX_BMP_RUN_LENGTH} pixels and bytes. "
            "Save it as PNG and send that."
        )
    return width, abs(height)


def _webp_size(data: bytes) -> Size:
    chunk = data[12:16]
    if chunk == b"VP8 ":
        width, height = _unpack_size("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = data[29] << 16 | int.from_bytes(data[27:29], "little")
        return width, height + 1
    raise InvalidImage("The WebP file does not begin with a picture.")


def _jpeg_size(data: bytes) -> Size | None:
    # No length over 14 bytes is right for a scan, so the first of its two bytes is zero; within
    # compressed data FF is never followed by DA.
    # Found by an expression in half the time that `count` takes.
    if len(_JPEG_SCAN_START.findall(data)) > MAX_JPEG_SCANS:
        raise InvalidImage(f"The JPEG file has more than {MAX_JPEG_SCANS} scans. Save it again.")
    size = None
    for number, (marker, position) in enumerate(_jpeg_segments(data)):
        if number >= MAX_JPEG_SEGMENTS:
            raise InvalidImage(f"The JPEG header has more than {MAX_JPEG_SEGMENTS} segments.")
        if marker in _JPEG_FRAMES and size is None:
            height, width = struct.unpack_from(">HH", data, position + 5)
            # Height 0 means that a later marker holds it (DNL); the decoder refuses that.
            size = width, max(height, 1)
    return size


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker up to the first scan, and where it begins."""
    position, fill_bytes = 2, 0
    while (found := data.find(b"\xff", position)) != -1:
        marker = data[found + 1]
        fill_bytes += found - position + (marker == 0xFF)
        if fill_bytes > MAX_JPEG_FILL_BYTES:
            raise InvalidImage("The JPEG header is mostly fill bytes.")
        if marker == 0xFF:
            position = found + 1
            continue
        yield marker, found
        if marker == _JPEG_SCAN:
            return
        position = found + 2
        if marker not in _JPEG_ALONE:
            position += max(2, *struct.unpack_from(">H", data, position))


def _unpack_size(code: str, data: bytes, offset: int) -> Size:
    width, height = struct.unpack_from(code, data, offset)
    return width, height


SIZE_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "WEBP": _webp_size,
    "GIF": _gif_size,
    "BMP": _bmp_size,
    "TIFF": tiff_size,
    "AVIF": avif_size,
    "HEIC": heic_size,
}
