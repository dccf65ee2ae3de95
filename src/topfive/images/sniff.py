"""What the bytes are, told from their first bytes and headers alone: nothing is decoded here."""

from dataclasses import dataclass

from PIL import Image, features

from topfive.errors import EmptyFile, UnsupportedFormat
from topfive.images.headers import SIZE_READERS, declared_size
from topfive.images.heic import is_installed
from topfive.images.heif import Size
from topfive.images.limits import ImageLimits, decoding_bytes
from topfive.images.naming import is_avif, is_heic, is_raw_tiff, name_format


@dataclass(frozen=True, slots=True)
class SniffedPicture:
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


def sniff(data: bytes, limits: ImageLimits) -> SniffedPicture:
    """Tell the format and declared size of an upload, and refuse what `limits` do not allow.

    Raises EmptyFile, FileTooLarge, UnsupportedFormat, ImageTooLarge, or InvalidImage where the
    header makes no sense.
    """
    if not data:
        raise EmptyFile("The picture has zero bytes. Send the file's content.")
    limits.check_bytes(len(data))
    image_format = _format_of(data)
    if image_format is None:
        raise UnsupportedFormat(_refusal(data))
    size = declared_size(data, image_format)
    if size is not None:
        limits.check_pixels(*size)
    return SniffedPicture(data, image_format, size)


def picture_suffixes() -> frozenset[str]:
    """List how the names of accepted pictures end, as Pillow knows it: `.jpg`, `.jpeg`, ..."""
    # Pillow learns the last two from the decoder, which is loaded by the first such picture.
    known = {**Image.registered_extensions(), ".heic": "HEIC", ".heif": "HEIC"}
    return frozenset(suffix for suffix, name in known.items() if name in FORMATS)


def _format_of(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if is_avif(data) or is_heic(data):
        boxed = "AVIF" if is_avif(data) else "HEIC"
        return boxed if boxed in FORMATS else None
    name = next((name for name, magic in _MAGIC if data.startswith(magic)), None)
    return None if name == "TIFF" and is_raw_tiff(data) else name


def _refusal(data: bytes) -> str:
    name, advice = name_format(data)
    sentences = (
        "The format of the file is not supported.",
        name and f"This is {name}.",
        f"Send one of: {', '.join(FORMATS)}.",
        advice,
    )
    return " ".join(filter(None, sentences))


_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\x00"),
    ("TIFF", b"MM\x00*"),
    # BigTIFF; Pillow takes one of the other byte order for a classic TIFF.
    ("TIFF", b"II+\x00"),
)
_IS_THERE = {"AVIF": features.check("avif"), "HEIC": is_installed()}
FORMATS: tuple[str, ...] = tuple(name for name in SIZE_READERS if _IS_THERE.get(name, True))
