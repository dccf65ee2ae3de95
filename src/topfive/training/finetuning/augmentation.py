"""Varies photos: from a decoded picture to the pixels that a network learns from."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from topfive.engines.torchvision_models import import_torchvision
from topfive.images.preprocess import preprocess, resize_part
from topfive.input_recipe import InputRecipe
from topfive.training.finetuning.recipe import Augmentation

import_torchvision()
from torchvision.transforms import InterpolationMode, RandomResizedCrop, v2  # noqa: E402

# So many points across are moved, and those between them with them.
_BENT_POINTS = 4
_BLUR_SIGMA = (0.3, 1.5)
_ERASED_SHARE = (0.02, 0.2)
_UNCHANGED = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Makes of an RGB picture uint8 pixels (3, crop, crop), another way each time.

    `strength` from 0 to 1 scales every variation. What is random comes from torch's generator.
    """

    augmentation: Augmentation
    input: InputRecipe

    def vary(self, picture: Image.Image, strength: float = 1.0) -> torch.Tensor:
        """Cut out, mirror, turn, bend, colour, blur: as far as the recipe has each of them."""
        pixels = self._cut(picture, strength)
        if self.augmentation.flip and _happens(0.5):
            pixels = pixels.flip(-1)
        for step in (self._place, self._bend, self._colour, self._soften, self._erase):
            pixels = step(pixels, strength)
        return pixels.contiguous()

    def _cut(self, picture: Image.Image, strength: float) -> torch.Tensor:
        """Cut a part out, and bring it to the model's size."""
        low, high = _weakened(self.augmentation.crop_scale, strength)
        if (low, high) == _UNCHANGED:
            return as_tensor(preprocess(picture, self.input)[0])
        ratio = _weakened(self.augmentation.crop_ratio, strength)
        top, left, height, width = RandomResizedCrop.get_params(picture, [low, high], list(ratio))
        box = (left, top, left + width, top + height)
        return as_tensor(np.asarray(resize_part(picture, self.input, box)))

    def _place(self, pixels: torch.Tensor, strength: float) -> torch.Tensor:
        """Turn, slant, move and scale; what comes into sight has the colour of the border."""
        one = self.augmentation
        most_px = strength * one.translation * self.input.crop
        angle = _between(-1, 1) * strength * one.rotation_degrees
        shear = _between(-1, 1) * strength * one.shear_degrees
        scale = _between(*_weakened(one.scale, strength))
        moved = [_between(-most_px, most_px), _between(-most_px, most_px)]
        if not (angle or shear or any(moved) or scale != 1):
            return pixels
        placed: torch.Tensor = v2.functional.affine(
            pixels, angle, moved, scale, [shear, 0.0],
            interpolation=InterpolationMode.BILINEAR, fill=_border_colour(pixels),
        )  # fmt: skip
        return placed

    def _bend(self, pixels: torch.Tensor, strength: float) -> torch.Tensor:
        if not self.augmentation.elastic:
            return pixels
        # Displacements are counted in halves of the picture's side.
        most = strength * self.augmentation.elastic / 50
        points = torch.randn(1, 2, _BENT_POINTS, _BENT_POINTS) * most / 2
        smooth = torch.nn.functional.interpolate(
            points, pixels.shape[-2:], mode="bilinear", align_corners=False
        )
        bent: torch.Tensor = v2.functional.elastic(
            pixels, smooth.permute(0, 2, 3, 1), fill=_border_colour(pixels)
        )
        return bent

    def _colour(self, pixels: torch.Tensor, strength: float) -> torch.Tensor:
        one = self.augmentation
        amounts = [strength * x for x in (one.brightness, one.contrast, one.saturation, one.hue)]
        if any(amounts):
            pixels = v2.ColorJitter(*amounts)(pixels)
        if _happens(one.grey):
            pixels = v2.functional.rgb_to_grayscale(pixels, num_output_channels=3)
        return 255 - pixels if _happens(one.invert) else pixels

    def _soften(self, pixels: torch.Tensor, strength: float) -> torch.Tensor:
        """Blur, and add noise as a sensor does."""
        if _happens(self.augmentation.blur):
            pixels = v2.functional.gaussian_blur(pixels, [5, 5], [_between(*_BLUR_SIGMA)] * 2)
        deviation = 255 * strength * _between(0, self.augmentation.noise)
        if deviation:
            noisy = pixels.float() + deviation * torch.randn(pixels.shape)
            pixels = noisy.round().clamp(0, 255).byte()
        return pixels

    def _erase(self, pixels: torch.Tensor, _: float) -> torch.Tensor:
        if not self.augmentation.erase:
            return pixels
        erased: torch.Tensor = v2.RandomErasing(self.augmentation.erase, _ERASED_SHARE)(pixels)
        return erased


def as_tensor(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> torch.Tensor:
    """Bring pixels (height, width, 3) into torch's order, (3, height, width)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _weakened(bounds: tuple[float, float], strength: float) -> tuple[float, float]:
    """Draw both bounds of a factor towards 1, which they are at strength 0."""
    low, high = (1 + strength * (one - 1) for one in bounds)
    return low, high


def _border_colour(pixels: torch.Tensor) -> list[float]:
    """Give the middle value of the outermost pixels, for each channel."""
    edges = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
    values: list[float] = torch.cat(edges, dim=1).float().median(dim=1).values.tolist()
    return values


def _happens(chance: float) -> bool:
    return chance > 0 and float(torch.rand(())) < chance


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
