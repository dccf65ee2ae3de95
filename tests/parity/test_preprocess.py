"""Our resize and crop against torchvision's own preset."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import pictures
from topfive.engines.torchvision_models import import_torchvision
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import preprocess
from topfive.images.sniff import sniff
from topfive.input_recipe import InputRecipe

# One step of 255 is what rounding twice, after each direction of a resize, can cost.
MOST_MEAN_DIFFERENCE = 1.0
NO_SHRINKING = 100_000
SIZES = [
    (224, 224), (232, 232), (256, 256), (500, 375), (375, 500), (640, 480), (1024, 768),
    (233, 231), (231, 233), (300, 299), (1000, 240), (240, 1000), (1200, 100), (100, 1200),
    (50, 40), (16, 16), (3, 2), (1, 1), (1, 60), (60, 1), (1501, 997),
]  # fmt: skip


@pytest.fixture(scope="module")
def preset():
    """What torchvision does to a picture before MobileNetV2's second weights."""
    return import_torchvision().models.MobileNet_V2_Weights.IMAGENET1K_V2.transforms()


def _recipe(preset) -> InputRecipe:
    return InputRecipe(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def _reference(preset, image: Image.Image) -> NDArray[np.float64]:
    """Run torchvision's preset, and undo its normalisation: values from 0 to 255."""
    normalised = preset(image).numpy().transpose(1, 2, 0).astype(np.float64)
    return (normalised * np.array(preset.std) + np.array(preset.mean)) * 255


def _mean_difference(preset, image: Image.Image) -> float:
    ours = preprocess(image, _recipe(preset))[0].astype(np.float64)
    return float(np.abs(ours - _reference(preset, image)).mean())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [pictures.draw, pictures.draw_noise])
def test_synthetic_pictures_are_prepared_alike(preset, draw, size):
    """Smooth pictures and noise, of every size and aspect, differ by a rounding step at most."""
    assert _mean_difference(preset, draw(*size)) <= MOST_MEAN_DIFFERENCE


def test_the_measure_would_see_a_shift(preset):
    """A crop that is one pixel off, or another filter, is more than is allowed."""
    image = pictures.draw_noise(256, 256)
    shifted = image.transform(image.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0))
    reference = _reference(preset, image)
    ours = preprocess(shifted, _recipe(preset))[0].astype(np.float64)
    assert np.abs(ours - reference).mean() > 5 * MOST_MEAN_DIFFERENCE


@pytest.mark.weights
def test_real_photos_are_prepared_alike(preset, photos):
    """Real photos, decoded whole, differ from torchvision's by a rounding step at most."""
    limits, worst = ImageLimits(), 0.0
    for photo in photos:
        whole = decode(sniff(photo.path.read_bytes(), limits), limits, NO_SHRINKING).pixels
        with Image.open(photo.path) as opened:
            assert whole.size == opened.size
            reference = _reference(preset, opened.convert("RGB"))
        ours = preprocess(whole, _recipe(preset))[0].astype(np.float64)
        worst = max(worst, float(np.abs(ours - reference).mean()))
    assert worst <= MOST_MEAN_DIFFERENCE
