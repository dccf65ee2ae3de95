"""What the bytes are, told from their first bytes and headers alone: nothing is decoded here."""

from dataclasses import dataclass

from topfive.errors import EmptyFile, UnsupportedFormat
from topfive.images.headers import SIZE_READERS, Size, declared_size
from topfive.images.limits import ImageLimits, decoding_bytes


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
            f"The format of the file is not supported. Send one of: {', '.join(FORMATS)}."
        )
    size = declared_size(data, image_format)
    if size is not None:
        limits.check_pixels(*size)
    return Sniffed(data, image_format, size)


def _format_of(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for name, magic in _MAGIC if data.startswith(magic)), None)


_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\x00"),
    ("TIFF", b"MM\x00*"),
)
FORMATS: tuple[str, ...] = tuple(SIZE_READERS)
