"""Resizing and cropping to what a model takes."""

import numpy as np
import pytest
from PIL import Image

from tests import pictures
from topfive.images.preprocess import SHRINK_MARGIN, least_side, preprocess
from topfive.input_recipe import InputRecipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _recipe(resize: int = 72, crop: int = 64, **options: str) -> InputRecipe:
    return InputRecipe(resize=resize, crop=crop, mean=MEAN, std=STD, **options)


@pytest.mark.parametrize(
    "size",
    [(64, 64), (72, 72), (200, 100), (100, 200), (1, 1), (1, 500), (500, 1), (3, 2), (2000, 7)],
)
def test_any_picture_becomes_the_models_size(size):
    """Pictures of every aspect, one pixel wide ones too, come out as the model takes them."""
    pixels = preprocess(pictures.draw(*size), _recipe())
    assert pixels.shape == (1, 64, 64, 3)
    assert pixels.dtype == np.uint8


def test_a_very_long_picture_costs_no_more_than_its_crop():
    """A picture of 1 x 20,000 pixels is cropped without being resized as a whole."""
    column = np.zeros((20_000, 1, 3), np.uint8)
    column[9_950:10_050] = 200
    pixels = preprocess(Image.fromarray(column), _recipe(256, 224))
    assert (pixels == 200).all()


def test_the_centre_is_kept():
    """What lies outside the centre crop has no part in the result."""
    image = Image.new("RGB", (300, 100), "white")
    image.paste((10, 20, 30), (90, 0, 210, 100))
    pixels = preprocess(image, _recipe(100, 100))
    assert (pixels == np.array([10, 20, 30])).all()


def test_a_picture_of_the_right_size_is_only_cropped():
    """Where nothing needs resizing, every pixel stays what it was."""
    image = pictures.draw_noise(72, 72)
    assert (preprocess(image, _recipe())[0] == np.asarray(image)[4:68, 4:68]).all()


def test_the_interpolation_is_the_recipes():
    """Each interpolation gives its own result, and nearest invents no values."""
    image = pictures.draw_noise(200, 150)
    results = [
        preprocess(image, _recipe(interpolation=name))
        for name in ("nearest", "bilinear", "bicubic")
    ]
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[1], results[2])
    known = {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3)}
    assert {tuple(pixel) for pixel in results[0].reshape(-1, 3)} <= known


def test_the_least_side_leaves_a_margin():
    """A decoder may shrink only to a multiple of the resized side."""
    assert least_side(_recipe(72, 64)) == 72 * SHRINK_MARGIN >= 144
