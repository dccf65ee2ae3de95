"""From the bytes of one picture to upright RGB pixels, under limits."""

from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image

from topfive.errors import Failure, ImageTooLarge, InvalidImage, OutOfMemory
from topfive.images.heic import PILLOW_NAME, register_decoder
from topfive.images.heif import Size
from topfive.images.limits import ImageLimits
from topfive.images.sniff import SniffedPicture

_EXIF_ORIENTATION = 0x0112
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
# Pillow calls a JPEG with several pictures in it MPO.
_PILLOW_NAMES = {"JPEG": ["JPEG", "MPO"], "HEIC": [PILLOW_NAME]}
_WHITE = (255, 255, 255)

# Pillow would start a thread for each core; a slot has one.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """An upright RGB picture; it may have been shrunk while decoding.

    `size` is the width and height of the whole picture as it stands upright.
    """

    pixels: Image.Image
    format: str
    size: Size

    def has_side(self, least_side: int) -> bool:
        """Tell whether decoding has kept what a shorter side of `least_side` pixels needs."""
        return self.pixels.size == self.size or min(self.pixels.size) >= least_side

    @property
    def held_bytes(self) -> int:
        """How much memory the pixels take: three bytes each."""
        return 3 * self.pixels.width * self.pixels.height


def decode(upload: SniffedPicture, limits: ImageLimits, least_side: int) -> Decoded:
    """Decode the first frame of a sniffed upload to upright RGB.

    A JPEG whose shorter side is far over `least_side` pixels is shrunk while it is decoded, never
    below `least_side`. Raises InvalidImage, ImageTooLarge or OutOfMemory.
    """
    try:
        return _decode(upload, limits, least_side)
    except Failure:
        raise
    except MemoryError as error:
        raise OutOfMemory("There is no memory for this picture now. Try again.") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("The picture declares too many pixels.") from error
    except Exception as error:
        raise InvalidImage(f"The {upload.format} file is damaged or cut off.") from error


def _decode(upload: SniffedPicture, limits: ImageLimits, least_side: int) -> Decoded:
    if upload.format == "HEIC":
        register_decoder()
    formats = _PILLOW_NAMES.get(upload.format, [upload.format])
    with Image.open(BytesIO(upload.data), formats=formats) as image:
        size = image.size
        limits.check_pixels(*size)
        _check_declared(size, upload)
        if upload.format == "JPEG":
            # Only ever shrinks by a power of two, and never below the size asked for.
            image.draft(None, (least_side, least_side))
        image.load()
        orientation = _orientation(image)
        pixels = _upright(_rgb(image), orientation)
    return Decoded(pixels, upload.format, size[::-1] if orientation >= 5 else size)


def _check_declared(size: Size, upload: SniffedPicture) -> None:
    # Memory was set aside for the size that the header told first.
    if upload.size is not None and prod(size) > prod(upload.size):
        raise InvalidImage(f"The {upload.format} file declares two sizes.")


def _orientation(image: Image.Image) -> int:
    if image.format == PILLOW_NAME:
        # libheif has turned it already.
        return 1
    if image.format == "AVIF":
        # Its own rotation counts, which Pillow puts into its EXIF, and no program's note.
        image.info.pop("xmp", None)
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - part of the decoder guard: broken EXIF means upright
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES or image.mode in ("I", "F"):
        image = _wide_grey(image)
    elif image.mode == "1":
        image = _bits_as_grey(image)
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _bits_as_grey(image: Image.Image) -> Image.Image:
    grey = image.convert("L")
    # A see-through bit is named as 0 or 1; as grey it would be taken for a level of 0 to 255.
    if image.info.get("transparency") == 1:
        grey.info["transparency"] = 255
    elif "transparency" in image.info:
        grey.info["transparency"] = image.info["transparency"]
    return grey


def _over_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGB", image.size, _WHITE)
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _wide_grey(image: Image.Image) -> Image.Image:
    """Bring grey of 16 bits, 32 bits or floats to levels of 0 to 255."""
    values = np.asarray(image)
    grey = Image.fromarray(_levels(values, image.mode))
    see_through = image.info.get("transparency")
    if isinstance(see_through, int):
        hidden = np.where(values == see_through, np.uint8(0), np.uint8(255))
        grey.putalpha(Image.fromarray(hidden))
    return grey


def _levels(values: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    if mode in _SIXTEEN_BIT_MODES or (mode == "I" and values.max(initial=0) > 255):
        # The high byte of a 16-bit value; Pillow's own conversion would clip it instead.
        values = np.clip(values, 0, 65535).astype(np.uint16) >> 8
    elif mode == "F":
        values = np.nan_to_num(values)
        values = values * 255 if values.max(initial=0.0) <= 1.0 else values
    levels: NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return levels


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
