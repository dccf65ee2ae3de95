"""What the bytes are, told from their first bytes and headers alone: nothing is decoded here.

The sizes are read as the formats' own specifications place them: JPEG (ITU-T T.81, B.2.2), PNG
(W3C, 11.2.2), GIF89a (18), BMP (BITMAPFILEHEADER), WebP (RFC 9649, 2.4 to 2.7) and TIFF 6.0 (2).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from topfive.errors import EmptyFile, InvalidImage, UnsupportedFormat
from topfive.images.limits import ImageLimits, decoding_bytes

Size = tuple[int, int]

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_VALUE_CODES = {1: "B", 3: "H", 4: "I"}
_MAX_TIFF_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Sniffed:
    """An upload known to be of an accepted format and, by its header, of an accepted size.

    `size` is None only for formats whose decoder reads the header without taking memory for it.
    """

    data: bytes
    format: str
    size: Size | None

    def decoding_bytes(self, max_pixels: int) -> int:
        """Estimate from above the memory that decoding this takes; unknown sizes count as most."""
        pixels = max_pixels if self.size is None else self.size[0] * self.size[1]
        return decoding_bytes(self.format, pixels)


def sniff(data: bytes, limits: ImageLimits) -> Sniffed:
    """Tell the format and declared size of an upload, and refuse what `limits` do not allow.

    Raises EmptyFile, FileTooLarge, UnsupportedFormat, ImageTooLarge, or InvalidImage where the
    header makes no sense.
    """
    if not data:
        raise EmptyFile("The picture has zero bytes. Send the file's content.")
    limits.check_bytes(len(data))
    image_format = _format_of(data)
    if image_format is None:
        raise UnsupportedFormat(
            f"The file is not a picture that is read here. Send one of: {', '.join(FORMATS)}."
        )
    size = _declared_size(data, image_format)
    if size is not None:
        limits.check_pixels(*size)
    return Sniffed(data, image_format, size)


def _declared_size(data: bytes, image_format: str) -> Size | None:
    try:
        size = _SIZE_READERS[image_format](data)
    except (struct.error, IndexError) as error:
        raise InvalidImage("The picture's header is cut off or damaged.") from error
    if size is not None and min(size) <= 0:
        raise InvalidImage(f"The picture declares a size of {size[0]} x {size[1]} pixels.")
    return size


def _format_of(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for name, magic in _MAGIC if data.startswith(magic)), None)


def _png_size(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise InvalidImage("The PNG file does not begin with its header.")
    return _unpack_size(">II", data, 16)


def _gif_size(data: bytes) -> Size | None:
    screen = _unpack_size("<HH", data, 6)
    # A frame may be larger than the screen and the decoder makes room for it, so the first
    # frame's descriptor, where it follows at once, counts too.
    colour_table = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    start = 13 + colour_table
    if data[start : start + 1] != b",":
        return screen if min(screen) > 0 else None
    left, top, width, height = struct.unpack_from("<HHHH", data, start + 1)
    return max(screen[0], left + width), max(screen[1], top + height)


def _bmp_size(data: bytes) -> Size:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        return _unpack_size("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
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
    position = 2
    while (position := data.find(b"\xff", position)) != -1:
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            # Height 0 means that a later marker holds it (DNL); the decoder refuses that.
            return width, max(height, 1)
        if marker == 0xFF or marker in _JPEG_ALONE:
            position += 1 if marker == 0xFF else 2
        else:
            position += 2 + max(2, *struct.unpack_from(">H", data, position + 2))
    return None


def _tiff_size(data: bytes) -> Size | None:
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    tags = dict(_tiff_entries(data, order, directory))
    width, height = tags.get(_TIFF_WIDTH), tags.get(_TIFF_HEIGHT)
    return None if width is None or height is None else (width, height)


def _tiff_entries(data: bytes, order: str, directory: int) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(order + "H", data, directory)
    for index in range(min(count, _MAX_TIFF_ENTRIES)):
        entry = directory + 2 + 12 * index
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        if values == 1 and kind in _TIFF_VALUE_CODES:
            yield tag, struct.unpack_from(order + _TIFF_VALUE_CODES[kind], data, entry + 8)[0]


def _unpack_size(code: str, data: bytes, offset: int) -> Size:
    width, height = struct.unpack_from(code, data, offset)
    return width, height


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\x00"),
    ("TIFF", b"MM\x00*"),
)
_SIZE_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "WEBP": _webp_size,
    "GIF": _gif_size,
    "BMP": _bmp_size,
    "TIFF": _tiff_size,
}
FORMATS: tuple[str, ...] = tuple(_SIZE_READERS)
