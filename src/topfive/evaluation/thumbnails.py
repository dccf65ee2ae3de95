"""Small copies of photos for a page: pixels alone, nothing else of the file."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from topfive.errors import Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

SIDE = 192
_QUALITY = 80


def draw_thumbnail(path: Path, limits: ImageLimits) -> str:
    """Draw a photo, upright, in 192 pixels at most, as a `data:` URL; empty if it cannot be."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
        picture = decode(sniff(data, limits), limits, SIDE).pixels
    except (OSError, Failure):
        return ""
    picture.thumbnail((SIDE, SIDE))
    jpeg = io.BytesIO()
    # A new picture: the decoded one still has the comments and profiles of its file.
    Image.fromarray(np.asarray(picture)).save(jpeg, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode()}"
