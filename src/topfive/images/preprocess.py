"""From an upright RGB picture to the pixels a model expects."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.input_recipe import InputRecipe

# A picture is shrunk while decoding only while this many times the resized side stays: with it
# the top class agrees with a full decode (see benchmarks), with 1 it does not always.
SHRINK_MARGIN = 2

Box = tuple[float, float, float, float]


def least_side(recipe: InputRecipe) -> int:
    """Tell the shortest side in pixels that a decoder may shrink a picture to."""
    return recipe.resize * SHRINK_MARGIN


def preprocess(image: Image.Image, recipe: InputRecipe) -> NDArray[np.uint8]:
    """Resize the shorter side and crop the centre, in one step.

    Takes an RGB picture; returns uint8 of shape (1, crop, crop, 3). Equal to torchvision's
    ImageClassification preset (resize with antialias, then centre crop) before its normalisation.
    """
    # Cropping inside the resize computes only the rows and columns that are kept; the filter
    # still reads the pixels outside the box, so the result is the same.
    box = crop_box(image.size, recipe)
    return np.asarray(resize_part(image, recipe, box))[np.newaxis]


def resize_part(image: Image.Image, recipe: InputRecipe, box: Box) -> Image.Image:
    """Bring a part of a picture to the size that a model takes."""
    return image.resize((recipe.crop, recipe.crop), _FILTERS[recipe.interpolation], box)


def crop_box(size: tuple[int, int], recipe: InputRecipe) -> Box:
    """Tell which part of a picture of `size` a model sees: left, top, right, bottom in pixels."""
    return _crop_box(size, _resized_size(size, recipe.resize), recipe.crop)


def _resized_size(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Follow torchvision.transforms.functional.resize: the longer side is rounded down."""
    width, height = size
    if width <= height:
        return shorter_side, int(shorter_side * height / width)
    return int(shorter_side * width / height), shorter_side


def _crop_box(size: tuple[int, int], resized: tuple[int, int], crop: int) -> Box:
    """Place torchvision's centre crop of the resized picture in the source picture."""
    left, top = (round((side - crop) / 2) for side in resized)
    across, down = size[0] / resized[0], size[1] / resized[1]
    right, bottom = min((left + crop) * across, size[0]), min((top + crop) * down, size[1])
    return left * across, top * down, right, bottom


_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
