"""Trains the digits model: a narrow MobileNetV2 that reads one handwritten digit.

It learns from scikit-learn's `load_digits` (1797 pictures of 8 x 8), drawn large with changing
size, place, slant, stroke, ink and paper, so that a scanned or drawn digit is read too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from topfive.engines.torchvision_models import build_module
from topfive.images.preprocess import preprocess
from topfive.input_recipe import InputRecipe
from topfive.training.checkpoints import StateDict
from topfive.training.weights import convert_to_half

SIDE = 64
LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ARCHITECTURE = "mobilenet_v2"
ARCHITECTURE_OPTIONS = {"width_mult": 0.25}
RECIPE = InputRecipe(resize=SIDE, crop=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))

_SAMPLE_DIGITS = (0, 3, 5, 8)
_SAMPLE_INK_SIDE = 160
_SAMPLE_MARGIN = 20
_BATCH = 32
_PEAK_RATE = 0.1
_WEIGHT_DECAY = 2e-4
_AVERAGE_KEEP = 0.99
# Pictures varied in full from the start teach this small a model nothing: the variation grows
# over this share of the epochs.
_RAMP_SHARE = 0.5
_DRAWING_MODES = ("bicubic",) * 5 + ("bilinear",) * 2 + ("nearest",)


@dataclass(frozen=True, slots=True)
class TrainedDigits:
    """Weights whose values are exact in float16, and how well they read held-out digits.

    `accuracy` is the mean over dark ink on light paper and light ink on dark; `samples` are
    held-out pictures by file name, each read as its name says.
    """

    state_dict: StateDict
    accuracy: float
    held_out_count: int
    samples: dict[str, Image.Image]


@dataclass(frozen=True, slots=True)
class _Digits:
    """Ink from 0 to 1 of shape (N, 1, 8, 8), and the digit each of them shows."""

    ink: torch.Tensor
    classes: torch.Tensor


def train(seed: int = 0, epochs: int = 60) -> TrainedDigits:
    """Train from scratch; the same seed and number of threads give the same weights."""
    torch.manual_seed(seed)
    learned, held_out = _load_split(seed)
    module = _fit(learned, held_out, epochs)
    # What is measured is what a bundle stores.
    _round_to_half(module)
    return TrainedDigits(
        state_dict={name: part.contiguous() for name, part in module.state_dict().items()},
        accuracy=sum(_accuracies(module, held_out)) / 2,
        held_out_count=len(held_out.ink),
        samples=_draw_samples(module, held_out),
    )


def _load_split(seed: int) -> tuple[_Digits, _Digits]:
    """Return what is learned from and what is held out: a fifth, of each digit alike."""
    values, classes = load_digits(return_X_y=True)
    ink = torch.tensor(values.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    learned, held_out = train_test_split(
        np.arange(len(ink)), test_size=0.2, random_state=seed, stratify=classes
    )
    digits = torch.tensor(classes)
    return _Digits(ink[learned], digits[learned]), _Digits(ink[held_out], digits[held_out])


def _fit(learned: _Digits, held_out: _Digits, epochs: int) -> torch.nn.Module:
    """Train, and return the running average of the weights, which reads better than the last."""
    module = _without_dropout(build_module(ARCHITECTURE, ARCHITECTURE_OPTIONS, len(LABELS)))
    # The layout that convolutions on a CPU run fastest in.
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = _average_of(module)
    optimizer, schedule = _make_optimizer(module, epochs * math.ceil(len(learned.ink) / _BATCH))
    for epoch in range(epochs):
        module.train()
        strength = min(1.0, epoch / (_RAMP_SHARE * epochs))
        for pictures, classes in _batches(learned, strength):
            optimizer.zero_grad()
            torch.autograd.backward(_loss(module, pictures, classes))
            optimizer.step()
            schedule.step()
            average.update_parameters(module)
        _report(epoch + 1, epochs, _accuracies(average.module, held_out))
    return average.module.eval()


def _average_of(module: torch.nn.Module) -> AveragedModel:
    keep = get_ema_multi_avg_fn(_AVERAGE_KEEP)  # type: ignore[no-untyped-call]
    return AveragedModel(module, multi_avg_fn=keep, use_buffers=True)


def _loss(module: torch.nn.Module, pictures: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(module(pictures), classes, label_smoothing=0.05)


def _without_dropout(module: torch.nn.Module) -> torch.nn.Module:
    """Switch dropout off: the variation of the pictures is enough against learning by heart."""
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return module


def _make_optimizer(
    module: torch.nn.Module, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.SGD(
        module.parameters(), _PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=_WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _PEAK_RATE, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    return optimizer, schedule


def _batches(learned: _Digits, strength: float) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for chosen in torch.split(torch.randperm(len(learned.ink)), _BATCH):
        pictures = _normalise(_draw(learned.ink[chosen], strength))
        yield pictures.contiguous(memory_format=torch.channels_last), learned.classes[chosen]


def _report(epoch: int, epochs: int, accuracies: tuple[float, float]) -> None:
    dark, light = accuracies
    click.echo(
        f"epoch {epoch}/{epochs}: held-out accuracy {(dark + light) / 2:.4f} "
        f"(dark on light {dark:.4f}, light on dark {light:.4f})",
        err=True,
    )


def _accuracies(module: torch.nn.Module, held_out: _Digits) -> tuple[float, float]:
    """Measure on pictures drawn without variation: dark ink on light paper, then reversed."""
    pictures = _draw_plain(held_out.ink)
    return (
        _accuracy(module, pictures, held_out.classes),
        _accuracy(module, 1 - pictures, held_out.classes),
    )


def _accuracy(module: torch.nn.Module, pictures: torch.Tensor, classes: torch.Tensor) -> float:
    return float((_read(module, pictures) == classes).float().mean())


@torch.inference_mode()
def _read(module: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """Return the digit most likely shown on each picture (N, 3, SIDE, SIDE; 0 to 1)."""
    module.eval()
    parts = torch.split(_normalise(pictures), 128)
    return torch.cat([module(part).argmax(dim=1) for part in parts])


def _round_to_half(module: torch.nn.Module) -> None:
    module.load_state_dict(convert_to_half(module.state_dict()))


def _draw(ink: torch.Tensor, strength: float) -> torch.Tensor:
    """Draw each digit with random shape, stroke and colours: (N, 3, SIDE, SIDE), 0 to 1.

    No shape varies at strength 0; at 1 they do from little to in full.
    """
    strengths = strength * torch.rand(len(ink), 1, 1, 1).sqrt()
    return _colour(_soften(_harden(_place(ink, strengths), strengths)))


def _place(ink: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """Enlarge to SIDE x SIDE at a random place: smooth, linear or in blocks, bent a little."""
    count = len(ink)
    maps = _affine_maps(count, strengths)
    grid = functional.affine_grid(maps, [count, 1, SIDE, SIDE], align_corners=False)
    grid = grid + strengths * _bends(count)
    parts = len(_DRAWING_MODES)
    drawn = [
        functional.grid_sample(some, places, mode=mode, align_corners=False)
        for mode, some, places in zip(
            _DRAWING_MODES, ink.chunk(parts), grid.chunk(parts), strict=False
        )
    ]
    return torch.cat(drawn).clamp(0, 1)


def _affine_maps(count: int, strengths: torch.Tensor) -> torch.Tensor:
    """Map picture to ink, (N, 2, 3): turned up to 15 degrees, slanted, full to half size, moved."""
    angle, slant, stretch, sideways, downwards = (
        strengths * _uniform(count, -most, most) for most in (0.26, 0.25, 0.2, 1, 1)
    )
    zoom = 1 + strengths * _uniform(count, -0.05, 1)
    wide, high = zoom * stretch.exp(), zoom / stretch.exp()
    across, down = (wide - 0.9).clamp(min=0.1) * sideways, (high - 0.9).clamp(min=0.1) * downwards
    cos, sin = angle.cos(), angle.sin()
    top = (wide * cos, high * (slant * cos - sin), across)
    bottom = (wide * sin, high * (slant * sin + cos), down)
    return torch.cat([*top, *bottom], dim=1).reshape(count, 2, 3)


def _bends(count: int) -> torch.Tensor:
    coarse = torch.randn(count, 2, 4, 4) * 0.05
    smooth = functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return smooth.permute(0, 2, 3, 1)


def _harden(drawn: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """Give some of the strokes the clear edge of a pen, from thick to thin."""
    count = len(drawn)
    threshold, hardness = _uniform(count, 0.38, 0.66), _uniform(count, 4, 25)
    hard = torch.sigmoid((drawn - threshold) * hardness)
    return torch.where(_chance(count, 0.6 * strengths), hard, drawn)


def _soften(drawn: torch.Tensor) -> torch.Tensor:
    blurred = functional.avg_pool2d(drawn, 5, stride=1, padding=2, count_include_pad=False)
    return torch.where(_chance(len(drawn), 0.2), blurred, drawn)


def _colour(drawn: torch.Tensor) -> torch.Tensor:
    """Put ink of a random colour on lighter or darker paper, add noise."""
    count = len(drawn)
    dark, light = _shades(count) * 0.45, 1 - _shades(count) * 0.45
    is_dark_ink = _chance(count, 0.5)
    ink, paper = torch.where(is_dark_ink, dark, light), torch.where(is_dark_ink, light, dark)
    pictures = paper + (ink - paper) * drawn
    noise = torch.randn_like(pictures) * _uniform(count, 0, 0.06)
    return (pictures + noise * _chance(count, 0.5)).clamp(0, 1)


def _shades(count: int) -> torch.Tensor:
    """Return distances from black or white, (N, 3, 1, 1): none, grey or coloured."""
    colours = torch.rand(count, 3, 1, 1)
    greys = colours.mean(dim=1, keepdim=True)
    return torch.where(_chance(count, 0.3), colours, greys) * ~_chance(count, 0.3)


def _chance(count: int, share: float | torch.Tensor) -> torch.Tensor:
    return torch.rand(count, 1, 1, 1) < share


def _uniform(count: int, least: float, most: float) -> torch.Tensor:
    return least + (most - least) * torch.rand(count, 1, 1, 1)


def _draw_plain(ink: torch.Tensor) -> torch.Tensor:
    """Draw digits as they are, black on white, in the 256 steps of a picture file."""
    drawn = functional.interpolate(ink, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return (255 - 255 * drawn).round().expand(-1, 3, -1, -1) / 255


def _normalise(pictures: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (RECIPE.mean, RECIPE.std))
    return (pictures - mean) / std


def _draw_samples(module: torch.nn.Module, held_out: _Digits) -> dict[str, Image.Image]:
    """Draw one held-out picture, read right, of each sample digit that has one."""
    samples = {}
    for digit in _SAMPLE_DIGITS:
        pictures = (_draw_sample(ink) for ink in held_out.ink[held_out.classes == digit])
        right = next((one for one in pictures if _read_picture(module, one) == digit), None)
        if right is not None:
            samples[f"{LABELS[digit]}.png"] = right
    return samples


def _draw_sample(ink: torch.Tensor) -> Image.Image:
    levels: Any = (255 * ink[0]).byte().numpy()
    side = _SAMPLE_INK_SIDE + 2 * _SAMPLE_MARGIN
    large = Image.fromarray(levels).resize((_SAMPLE_INK_SIDE,) * 2, Image.Resampling.BICUBIC)
    paper = Image.new("RGB", (side, side), "white")
    paper.paste("black", (_SAMPLE_MARGIN, _SAMPLE_MARGIN), mask=large)
    return paper


def _read_picture(module: torch.nn.Module, picture: Image.Image) -> int:
    pixels = torch.tensor(preprocess(picture, RECIPE)).permute(0, 3, 1, 2)
    return int(_read(module, pixels / 255))
