"""The golden input: one picture, made by arithmetic, that every engine must see alike."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.bundles.manifest import GoldenClass, GoldenSection
from topfive.classify.golden import INPUTS
from topfive.classify.topk import softmax, top_classes


def draw_golden_picture(side: int) -> Image.Image:
    """Draw an RGB picture of side x side pixels with edges, gradients and texture."""
    down, across = np.mgrid[0:side, 0:side] / side
    ball = (across - 0.45) ** 2 + (down - 0.5) ** 2 < 0.09
    seams = np.abs(np.sin(9 * across + 5 * down)) < 0.25
    red = np.where(ball, 235 - 60 * down, 40 + 60 * across)
    green = np.where(ball, 120 - 40 * across, 110 + 70 * down)
    blue = np.where(ball & ~seams, 30 + 30 * across, 45 + 40 * np.sin(40 * across) * down)
    pixels = np.stack([red, green, blue], axis=-1)
    pixels[ball & seams] = (20, 20, 25)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def describe_golden(logits: NDArray[np.float32], labels: tuple[str, ...]) -> GoldenSection:
    """Say in a manifest's terms what the reference's logits (classes,) of the picture are."""
    best = top_classes(softmax(logits), labels, 5)
    return GoldenSection(
        top_five=tuple(
            GoldenClass(class_id=one.class_id, confidence=round(one.confidence, 6)) for one in best
        ),
        inputs=INPUTS,
    )
