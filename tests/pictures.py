"""Pictures made by arithmetic, in every format and oddity that the tests need; returns bytes."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.images.heic import PILLOW_NAME, is_installed, register_decoder

EXIF_ORIENTATION = 0x0112
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

# AVIF without reduced colour, as near to lossless as matters here.
_FINE = {"quality": 95, "subsampling": "4:4:4"}

# What has to be done to an upright picture so that the orientation's number undoes it.
_UNDONE_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def draw(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """Draw an RGB picture with no symmetry: smooth waves of colour over four unlike corners."""
    down, across = np.mgrid[0:height, 0:width]
    down, across = down / max(height, 2), across / max(width, 2)
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(phase[i] + (5 + i) * across + (3 - i) * down) for i in range(3)]
    corners = [across * down, (1 - across) * down, across * (1 - down)]
    pixels = [90 + 60 * wave + 100 * corner for wave, corner in zip(waves, corners, strict=True)]
    return Image.fromarray(np.clip(np.stack(pixels, -1), 0, 255).astype(np.uint8))


def draw_noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Draw an RGB picture of unrelated pixels, the hardest that a resize can meet."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Write a picture in one of Pillow's formats, or as HEIF where pillow-heif is installed."""
    if image_format == PILLOW_NAME:
        register_decoder()
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(width: int = 96, height: int = 64, seed: int = 0, **options: Any) -> bytes:
    """Make a baseline JPEG; `progressive=True` and the like are handed on."""
    return encode(draw(width, height, seed), "JPEG", **{"quality": 95, **options})


def png(width: int = 96, height: int = 64, seed: int = 0) -> bytes:
    """Make an RGB PNG."""
    return encode(draw(width, height, seed), "PNG")


def webp(width: int = 96, height: int = 64, **options: Any) -> bytes:
    """Make a WebP: lossy (VP8) unless `lossless=True` (VP8L)."""
    return encode(draw(width, height), "WEBP", **options)


def webp_extended(width: int = 96, height: int = 64) -> bytes:
    """Make a WebP with an extended header (VP8X), which alpha with EXIF asks for."""
    image = draw(width, height).convert("RGBA")
    image.putalpha(128)
    return encode(image, "WEBP", exif=_exif(1))


def gif(width: int = 96, height: int = 64) -> bytes:
    """Make a GIF of one frame."""
    return encode(draw(width, height), "GIF")


def animated_gif(width: int = 96, height: int = 64) -> bytes:
    """Make a GIF whose three frames are all red, then all green, then all blue."""
    return _animated("GIF", width, height)


def animated_webp(width: int = 96, height: int = 64) -> bytes:
    """Make a lossless WebP whose frames are all red, then all green, then all blue."""
    return _animated("WEBP", width, height, lossless=True)


def animated_png(width: int = 96, height: int = 64) -> bytes:
    """Make an APNG whose frames are all red, then all green, then all blue."""
    return _animated("PNG", width, height)


def bmp(width: int = 96, height: int = 64) -> bytes:
    """Make a BMP with its rows from bottom to top, as usual."""
    return encode(draw(width, height), "BMP")


def bmp_top_down(width: int = 96, height: int = 64) -> bytes:
    """Make a BMP whose height is negative: its rows go from top to bottom."""
    row_bytes = -(-width * 3 // 4) * 4
    pixels = np.zeros((height, row_bytes), np.uint8)
    pixels[:, : width * 3] = np.asarray(draw(width, height))[:, :, ::-1].reshape(height, -1)
    body = pixels.tobytes()
    info = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 24, 0, len(body), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(body), 0, 0, 54) + info + body


def bmp_core(width: int = 8, height: int = 8) -> bytes:
    """Make a BMP with the short header of OS/2: 12 bytes, unsigned 16-bit sizes."""
    body = bytes(-(-width * 3 // 4) * 4 * height)
    info = struct.pack("<IHHHH", 12, width, height, 1, 24)
    return struct.pack("<2sIHHI", b"BM", 26 + len(body), 0, 0, 26) + info + body


def tiff(width: int = 96, height: int = 64, **options: Any) -> bytes:
    """Make an RGB TIFF; `big_tiff=True` makes a BigTIFF."""
    return encode(draw(width, height), "TIFF", **options)


def avif(width: int = 96, height: int = 64, **options: Any) -> bytes:
    """Make an AVIF; `quality=100` and the like are handed on."""
    return encode(draw(width, height), "AVIF", **options)


def animated_avif(width: int = 96, height: int = 64) -> bytes:
    """Make an AVIF whose three frames are all red, then all green, then all blue."""
    return _animated("AVIF", width, height)


def rotated_avif(orientation: int, width: int = 96, height: int = 64) -> bytes:
    """Make an AVIF that is `draw(width, height)` once its rotation and mirror are obeyed."""
    return encode(_stored(orientation, width, height), "AVIF", **_FINE, exif=_exif(orientation))


def tiff_16_bit(values: NDArray[np.uint16], order: str = "<") -> bytes:
    """Make a grey 16-bit TIFF of values of shape (height, width), in one byte order."""
    height, width = values.shape
    body = values.astype(f"{order}u2").tobytes()
    return _grey_tiff(width, height, body, order, bits=16, sample_format=1)


def tiff_float(values: NDArray[np.float32]) -> bytes:
    """Make a TIFF of 32-bit floats of shape (height, width)."""
    height, width = values.shape
    return _grey_tiff(width, height, values.astype("<f4").tobytes(), "<", bits=32, sample_format=3)


def cmyk_jpeg(width: int = 96, height: int = 64) -> bytes:
    """Make a JPEG of four inks."""
    return encode(draw(width, height).convert("CMYK"), "JPEG", quality=95)


def grey_jpeg(width: int = 96, height: int = 64) -> bytes:
    """Make a JPEG of one channel."""
    return encode(draw(width, height).convert("L"), "JPEG", quality=95)


def grey_png_16_bit(values: NDArray[np.uint16]) -> bytes:
    """Make a grey 16-bit PNG of values of shape (height, width)."""
    return encode(Image.fromarray(values), "PNG")


def one_bit_png(is_white: NDArray[np.bool_], **options: Any) -> bytes:
    """Make a PNG of one bit a pixel; `transparency=0` makes its black see-through."""
    return encode(Image.fromarray(is_white), "PNG", **options)


def palette_png_with_hole(width: int = 8, height: int = 8) -> bytes:
    """Make a palette PNG: the left half is red, the right half a see-through blue."""
    image = Image.new("P", (width, height), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (width // 2, 0, width, height))
    return encode(image, "PNG", transparency=1)


def alpha_png(rgba: tuple[int, int, int, int], width: int = 8, height: int = 8) -> bytes:
    """Make a PNG of one see-through colour."""
    return encode(Image.new("RGBA", (width, height), rgba), "PNG")


def rotated_jpeg(orientation: int, width: int = 96, height: int = 64) -> bytes:
    """Make a JPEG that is `draw(width, height)` once its EXIF orientation is obeyed."""
    return encode(_stored(orientation, width, height), "JPEG", quality=95, exif=_exif(orientation))


def rotated(orientation: int, image_format: str, width: int = 96, height: int = 64) -> bytes:
    """Make a lossless PNG, WEBP or TIFF that is `draw(width, height)` once turned upright."""
    options: dict[str, Any] = {"exif": _exif(orientation)}
    if image_format == "WEBP":
        options |= {"lossless": True, "exact": True}
    return encode(_stored(orientation, width, height), image_format, **options)


def jpeg_with_broken_exif(width: int = 96, height: int = 64) -> bytes:
    """Make a JPEG whose EXIF block is noise."""
    junk = b"Exif\x00\x00" + bytes(range(40, 120))
    return _with_segment(jpeg(width, height), 0xE1, junk)


def jpeg_with_late_exif_offset(width: int = 96, height: int = 64) -> bytes:
    """Make a JPEG whose EXIF directory lies far beyond its end."""
    return _with_segment(jpeg(width, height), 0xE1, b"Exif\x00\x00II*\x00\xf0\xff\xff\x7f")


def mpo(width: int = 96, height: int = 64) -> bytes:
    """Make a multi-picture JPEG, as phones and 3-D cameras write them."""
    more = [draw(width, height, seed=1)]
    return encode(draw(width, height), "MPO", save_all=True, append_images=more, quality=95)


def heic(width: int = 96, height: int = 64, orientation: int = 1, **options: Any) -> bytes:
    """Make a HEIC that is `draw(width, height)` upright; it needs pillow-heif."""
    exif = _exif(orientation)
    picture = _stored(orientation, width, height)
    return encode(picture, PILLOW_NAME, **{"quality": 90, "chroma": 444, "exif": exif, **options})


def forged_png(width: int, height: int) -> bytes:
    """Make a PNG of a few bytes whose header declares any size; its data is one empty block."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_MAGIC + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", zlib.compress(b""))


def forged_jpeg(width: int, height: int, *, frame_marker: int = 0xC0) -> bytes:
    """Make the header of a JPEG that declares any size."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return (
        b"\xff\xd8"
        + _jpeg_segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
        + (_jpeg_segment(frame_marker, frame))
    )


def forged_bmp(width: int, height: int) -> bytes:
    """Make the header of a BMP that declares any size, negative ones too."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + info


def forged_gif(
    screen: tuple[int, int], frame: tuple[int, int, int, int] | None = None, *, has_table: bool
) -> bytes:
    """Make the header of a GIF; `frame` is left, top, width and height of its first picture."""
    start = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80 if has_table else 0, 0, 0)
    table = bytes(6) if has_table else b""
    picture = b"" if frame is None else b"," + struct.pack("<HHHHB", *frame, 0)
    return start + table + picture


def forged_webp(chunk: bytes, width: int, height: int) -> bytes:
    """Make the header of a WebP whose first chunk (VP8 , VP8L or VP8X) declares a size."""
    if chunk == b"VP8 ":
        body = b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif chunk == b"VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    riff = b"WEBP" + chunk + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def forged_big_tiff(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    """Make the header of a BigTIFF that declares any size as 64 bits.

    More entries are tag, kind, count and value.
    """
    entries = [(256, 16, 1, width), (257, 16, 1, height), *more]
    listed = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
    return b"II+\x00\x08\x00\x00\x00" + struct.pack("<QQ", 16, len(entries)) + listed + bytes(8)


def forged_tiff(width: int, height: int, order: str = "<", code: str = "I") -> bytes:
    """Make the header of a TIFF that declares any size, as 8, 16 or 32 bits (B, H, I)."""
    kind = {"B": 1, "H": 3, "I": 4}[code]
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    entries = [
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(order + code, size).ljust(4, b"\x00")
        for tag, size in ((256, width), (257, height))
    ]
    count = struct.pack(f"{order}H", len(entries))
    return magic + struct.pack(f"{order}I", 8) + count + b"".join(entries) + bytes(4)


def every_format() -> dict[str, bytes]:
    """Make one plain picture of 96 x 64 pixels in each accepted format, by its name."""
    return {
        "JPEG": jpeg(),
        "PNG": png(),
        "WEBP": webp(),
        "GIF": gif(),
        "BMP": bmp(),
        "TIFF": tiff(),
        "AVIF": avif(),
        **({"HEIC": heic()} if is_installed() else {}),
    }


def _animated(image_format: str, width: int, height: int, **options: Any) -> bytes:
    first, *others = (
        Image.new("RGB", (width, height), colour) for colour in ("red", "lime", "blue")
    )
    return encode(first, image_format, save_all=True, append_images=others, duration=100, **options)


def _stored(orientation: int, width: int, height: int) -> Image.Image:
    upright = draw(width, height)
    turn = _UNDONE_BY.get(orientation)
    return upright if turn is None else upright.transpose(turn)


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return exif.tobytes()


def _with_segment(jpeg_bytes: bytes, marker: int, content: bytes) -> bytes:
    return jpeg_bytes[:2] + _jpeg_segment(marker, content) + jpeg_bytes[2:]


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _grey_tiff(
    width: int, height: int, body: bytes, order: str, *, bits: int, sample_format: int
) -> bytes:
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1),
        (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(body)), (339, 3, sample_format),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1)
        + struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(4, b"\x00")
        for tag, kind, value in tags
    )
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return magic + struct.pack(f"{order}I", 8 + len(body)) + body + directory
