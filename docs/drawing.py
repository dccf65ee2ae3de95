"""What pictures are drawn with: blending, light, noise and outlines.

Pictures are arrays of SIDE x SIDE kept pixels, FINER times finer; x goes right and y down, from 0
to 1; colours are RGB from 0 to 1.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 480
# Drawn finer than it is kept, for smooth edges.
FINER = 2
FINE = SIDE * FINER

Array = NDArray[np.float64]
Colour = tuple[float, float, float]
Outline = list[tuple[float, float]]

Y, X = np.mgrid[0:FINE, 0:FINE] / FINE


def mix(one: Array | Colour, other: Array | Colour, share: Array) -> Array:
    """Blend two colours or pictures: 0 is all `one`, 1 is all `other`."""
    return np.asarray(one) * (1 - share[..., None]) + np.asarray(other) * share[..., None]


def ease(start: float | Array, end: float | Array, value: Array) -> Array:
    """Go smoothly from 0 at `start` to 1 at `end`."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def unit(vector: tuple[Array, Array, Array] | Array) -> Array:
    """Give vectors, their parts first, the length 1."""
    parts = np.asarray(vector)
    return parts / (np.linalg.norm(parts, axis=0) + 1e-9)


def light(normal: tuple[Array, Array, Array] | Array, source: Colour) -> Array:
    """Tell how much light from `source` a matt surface sends back (Lambert)."""
    return np.clip(np.tensordot(unit(source), np.asarray(normal), 1), 0, 1)


def gloss(normal: Array, source: Colour, hardness: float) -> Array:
    """Tell how bright a highlight is (Blinn and Phong), seen from the front."""
    halfway = unit(unit(source) + np.array((0, 0, 1)))
    return np.clip(np.tensordot(halfway, normal, 1), 0, 1) ** hardness


def noise(grids: tuple[int, ...], seed: int) -> Array:
    """Add up smooth noise of several grids, coarse ones counting more; from 0 to 1."""
    chance = np.random.default_rng(seed)
    total = np.zeros((FINE, FINE))
    for grid in grids:
        points = Image.fromarray(chance.random((grid + 1, grid + 1)).astype(np.float32))
        total += np.asarray(points.resize((FINE, FINE), Image.Resampling.BICUBIC)) / grid**0.8
    total -= total.min()
    return total / total.max()


def cover(outlines: list[Outline], softness: float) -> Array:
    """Tell which pixels lie inside one of the outlines, with soft edges."""
    mask = Image.new("L", (FINE, FINE))
    for outline in outlines:
        ImageDraw.Draw(mask).polygon([(x * FINE, y * FINE) for x, y in outline], fill=255)
    return blur(np.asarray(mask) / 255, softness)


def blur(picture: Array, radius: float) -> Array:
    """Blur by a radius in kept pixels."""
    return to_array(to_image(picture).filter(ImageFilter.GaussianBlur(radius * FINER)))


def to_image(picture: Array) -> Image.Image:
    """Make an image of numbers from 0 to 1."""
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def to_array(image: Image.Image) -> Array:
    """Make numbers from 0 to 1 of an image."""
    return np.asarray(image) / 255


def turn(tilt: float, roll: float) -> Array:
    """Make the matrix that turns by `tilt` about x, then by `roll` about y, in radians."""
    (cos_x, sin_x), (cos_y, sin_y) = (np.cos(tilt), np.sin(tilt)), (np.cos(roll), np.sin(roll))
    about_x = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    return about_y @ about_x
