"""Pictures that are asked for again and again, as on the web: some often, most of them rarely."""

import random
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from itertools import product
from pathlib import Path

from PIL import Image, ImageOps

# Each photo is encoded anew in ten ways, which are ten pictures to a cache.
QUALITIES = (60, 70, 80, 88, 94)
MIRRORED = (False, True)


def vary_photos(photos: Sequence[Path]) -> list[bytes]:
    """Make ten JPEGs of each photo, of about its size; no two are equal."""
    return [_encode(photo, *how) for how in product(MIRRORED, QUALITIES) for photo in photos]


def _encode(photo: Path, is_mirrored: bool, quality: int) -> bytes:
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    buffer = BytesIO()
    (ImageOps.mirror(picture) if is_mirrored else picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def draw_trace(pictures: int, length: int, exponent: float, seed: int = 1) -> list[int]:
    """Draw which picture is asked for each time: the one of rank r with weight 1/r**exponent.

    Source: Breslau and others, Web Caching and Zipf-like Distributions, 1999: exponents of 0.64 to
    0.83 in the traces of six proxies.
    """
    chance = random.Random(seed)
    ranked = chance.sample(range(pictures), pictures)
    weights = [1 / rank**exponent for rank in range(1, pictures + 1)]
    return chance.choices(ranked, weights, k=length)


def best_hit_ratio(trace: Sequence[int], room: int) -> float:
    """Tell what part of a trace an exact LRU with room for so many pictures would have had."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for one in trace:
        if one in held:
            held.move_to_end(one)
            hits += 1
            continue
        held[one] = None
        if len(held) > room:
            held.popitem(last=False)
    return hits / len(trace)
