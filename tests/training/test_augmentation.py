"""How photos are varied, batches counted, and the learning rate moved."""

import numpy as np
import pytest
import torch
from PIL import Image

from topfive.images.preprocess import preprocess
from topfive.input_recipe import InputRecipe
from topfive.training.finetuning.augmentation import Augmenter, as_tensor
from topfive.training.finetuning.fine_tuning import Span, measure_span, one_cycle
from topfive.training.finetuning.photos import count_batches
from topfive.training.finetuning.recipe import Augmentation, TrainingRecipe

_INPUT = InputRecipe(resize=36, crop=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
_NOTHING = {
    "crop_scale": (1, 1), "flip": False, "brightness": 0, "contrast": 0, "saturation": 0,
}  # fmt: skip


def _picture() -> Image.Image:
    """Draw white paper with one dark corner and grain within it."""
    pixels = np.full((48, 60, 3), 255, np.uint8)
    pixels[10:30, 10:30] = np.random.default_rng(0).integers(0, 120, (20, 20, 3))
    return Image.fromarray(pixels)


def _vary(strength: float = 1.0, seed: int = 0, **variations) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        augmentation = Augmentation(**{**_NOTHING, **variations})
        return Augmenter(augmentation, _INPUT).vary(_picture(), strength)


def test_without_variations_a_photo_is_as_it_is_served():
    """The very pixels that the service prepares."""
    assert torch.equal(_vary(), as_tensor(preprocess(_picture(), _INPUT)[0]))


@pytest.mark.parametrize(
    "variation",
    [
        {"crop_scale": (0.3, 0.5)},
        {"rotation_degrees": 40},
        {"shear_degrees": 30},
        {"translation": 0.4},
        {"scale": (0.4, 0.6)},
        {"elastic": 10},
        {"brightness": 0.9},
        {"hue": 0.4},
        {"blur": 1},
        {"noise": 0.3},
        {"invert": 1},
        {"grey": 1},
        {"erase": 1},
    ],
)
def test_each_variation_changes_a_photo(variation):
    """It keeps shape and type, and the same seed gives the same pixels."""
    varied = _vary(**variation)
    assert (varied.shape, varied.dtype) == ((3, 32, 32), torch.uint8)
    assert not torch.equal(varied, _vary())
    assert torch.equal(varied, _vary(**variation))


@pytest.mark.parametrize(
    "variation",
    [
        {"rotation_degrees": 40, "shear_degrees": 30, "translation": 0.4, "scale": (0.4, 0.6)},
        {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "hue": 0.4},
        {"crop_scale": (0.3, 0.5), "crop_ratio": (0.5, 2)},
        {"noise": 0.3},
    ],
)
def test_a_variation_of_no_strength_changes_nothing(variation):
    """So that what grows over the epochs begins with the photo itself."""
    assert torch.equal(_vary(strength=0.0, **variation), _vary())


def test_what_comes_into_sight_has_the_colour_of_the_border():
    """White paper stays white around a picture that is made smaller, and black stays black."""
    varied = _vary(scale=(0.4, 0.4))
    assert varied[:, 0, 0].tolist() == [255, 255, 255]
    assert _vary(scale=(0.4, 0.4), invert=1)[:, 0, 0].tolist() == [0, 0, 0]


def test_half_of_the_photos_are_mirrored():
    """Each is as it is, or its mirror image."""
    plain = _vary()
    kinds = [torch.equal(_vary(seed=seed, flip=True), plain) for seed in range(40)]
    mirrored = [torch.equal(_vary(seed=seed, flip=True), plain.flip(-1)) for seed in range(40)]
    assert all(one != other for one, other in zip(kinds, mirrored, strict=True))
    assert 8 < sum(kinds) < 32


@pytest.mark.parametrize(
    ("photos", "batch_size", "expected"), [(64, 32, 2), (65, 32, 2), (66, 32, 3), (2, 32, 1)]
)
def test_a_last_batch_of_one_photo_is_left_out(photos, batch_size, expected):
    """A network cannot learn statistics of a single photo."""
    assert count_batches(photos, batch_size) == expected


@pytest.mark.parametrize(
    ("photos", "device", "expected"),
    [
        (100, "cpu", Span(12, 100)),
        (2000, "cpu", Span(5, 2000)),
        (50_000, "cpu", Span(1, 10_000)),
        (50_000, "cuda", Span(12, 50_000)),
    ],
)
def test_on_a_cpu_a_training_is_bounded(photos, device, expected):
    """A laptop is done within minutes, however many photos there are."""
    assert measure_span(TrainingRecipe(), photos, device) == expected


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_the_learning_rate_rises_and_falls(steps):
    """It is as torch has it, and there where torch divides by zero too."""
    rates = [one_cycle(step, steps, 0.1) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[-1] < 0.01 or steps == 1
    assert max(rates) == pytest.approx(1)


def test_the_learning_rate_is_that_of_torch():
    """The same curve as OneCycleLR's, where that one works."""
    steps = 50
    weights = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weights], 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=steps, pct_start=0.2, cycle_momentum=False
    )
    for step in range(steps):
        assert schedule.get_last_lr()[0] == pytest.approx(0.1 * one_cycle(step, steps, 0.2))
        optimizer.step()
        if step < steps - 1:
            schedule.step()
