"""HEIC's decoder, libheif, which is there where pillow-heif is installed (`topfive[heic]`)."""

from functools import cache
from importlib.util import find_spec

PILLOW_NAME = "HEIF"


def is_installed() -> bool:
    """Tell whether pillow-heif is installed, without loading it."""
    return find_spec("pillow_heif") is not None


@cache
def register_decoder() -> None:
    """Load the decoder and tell Pillow of it; the first HEIC picture does so."""
    from pillow_heif import register_heif_opener  # noqa: PLC0415 - most processes never need it

    # No thread for grids beside those that libde265 starts; nothing but the picture itself.
    register_heif_opener(decode_threads=0, thumbnails=False, depth_images=False, aux_images=False)
