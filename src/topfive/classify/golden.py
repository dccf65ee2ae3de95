"""The golden inputs of a bundle, and what the reference said of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from topfive.bundles.manifest import GOLDEN_LOGITS_FILE, GoldenClass
from topfive.bundles.store import Bundle
from topfive.classify.agreement import Logits, find_disagreement
from topfive.classify.topk import softmax
from topfive.errors import BundleRefused, Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

Pixels = NDArray[np.uint8]

# The names of the two tensors in GOLDEN_LOGITS_FILE, each of shape (inputs, classes).
F32_TENSOR = "f32"
BF16_TENSOR = "bf16"

# A bundle of before logits were kept says only what the reference's best confidences are, rounded
# to 6 digits. Softmax makes rounding large, so nothing but f32 can be told apart by them.
_MOST_CONFIDENCE_DIFFERENCE = 0.005


class Reference(Protocol):
    """What every engine's answers for a bundle's golden inputs are held against."""

    @property
    def inputs(self) -> Pixels:
        """The golden inputs: RGB of shape (inputs, side, side, 3)."""
        ...

    def find_disagreement(self, logits: Logits, precision: str) -> str:
        """Say in public words how finite logits (inputs, classes) differ, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LogitsReference:
    """The reference's logits in f32 and in bf16, each of shape (inputs, classes)."""

    inputs: Pixels
    f32: Logits
    bf16: Logits

    def find_disagreement(self, logits: Logits, precision: str) -> str:
        """Say how logits differ by more than the rounding of `precision`, or nothing."""
        return find_disagreement(logits, self.f32, self.bf16, precision)


@dataclass(frozen=True, slots=True)
class TopFiveReference:
    """The best classes of the golden picture alone, as bundles once kept them; good for f32."""

    inputs: Pixels
    top_five: tuple[GoldenClass, ...]

    def find_disagreement(self, logits: Logits, precision: str) -> str:
        """Say how confidences differ, or nothing; any precision but f32 is refused."""
        if precision != "f32":
            return (
                "the bundle was made before its reference's logits were kept, so that f32 alone "
                "can be checked. Delete the bundle and pull it again."
            )
        probabilities = softmax(logits[0])
        best = self.top_five[0].class_id
        worst = max(
            abs(float(probabilities[one.class_id]) - one.confidence) for one in self.top_five
        )
        worst = max(worst, float(probabilities.max() - probabilities[best]))
        if worst <= _MOST_CONFIDENCE_DIFFERENCE:
            return ""
        return (
            f"a confidence differs by {worst:.4f}, and {_MOST_CONFIDENCE_DIFFERENCE} is the most "
            "allowed."
        )


def open_reference(bundle: Bundle) -> Reference:
    """Read what the reference says of a bundle's golden inputs; raises BundleRefused."""
    picture = _golden_picture(bundle)
    golden = bundle.manifest.golden
    if not golden.inputs:
        return TopFiveReference(picture[np.newaxis], golden.top_five)
    return LogitsReference(make_inputs(picture, golden.inputs), *_read_logits(bundle))


def make_inputs(picture: Pixels, names: tuple[str, ...]) -> Pixels:
    """Make the golden inputs of those names from a picture (side, side, 3), stacked.

    Raises BundleRefused for a name that is not in INPUTS.
    """
    unknown = [name for name in names if name not in _INPUTS]
    if unknown:
        raise BundleRefused(
            f"The bundle has golden inputs that this version does not know: {', '.join(unknown)}. "
            "Update topfive, or delete the bundle and pull it again."
        )
    return np.stack([_INPUTS[name](picture) for name in names])


def _noise(picture: Pixels, cell: int, seed: int) -> Pixels:
    """Draw squares of `cell` pixels in colours that depend on their place and the seed alone.

    Every number is an integer of 64 bits, so that all machines draw the same. Source: the mixing
    steps of SplitMix64, https://prng.di.unimi.it/splitmix64.c
    """
    side = picture.shape[0]
    cells = -(-side // cell)
    state = np.arange(1, cells * cells * 3 + 1, dtype=np.uint64) + np.uint64(seed << 32)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    colours = (state >> np.uint64(56)).astype(np.uint8).reshape(cells, cells, 3)
    return colours.repeat(cell, axis=0).repeat(cell, axis=1)[:side, :side]


# Most are noise: bf16 moves a trained MobileNetV2's logits by 13 percent for the drawn picture, and
# by 3 for such noise, beside which faults of a few percent can be seen.
_INPUTS: dict[str, Callable[[Pixels], Pixels]] = {
    "picture": lambda picture: picture,
    "flipped_across": lambda picture: picture[:, ::-1],
    "flipped_down": lambda picture: picture[::-1],
    "noise_4_1": partial(_noise, cell=4, seed=1),
    "noise_4_2": partial(_noise, cell=4, seed=2),
    "noise_8_1": partial(_noise, cell=8, seed=1),
    "noise_8_2": partial(_noise, cell=8, seed=2),
}
INPUTS = tuple(_INPUTS)


def _golden_picture(bundle: Bundle) -> Pixels:
    limits = ImageLimits()
    side = bundle.manifest.input.crop
    try:
        golden = decode(sniff(bundle.golden_png, limits), limits, side).pixels
    except Failure as failure:
        raise BundleRefused(f"The golden input in {bundle.folder} is no picture.") from failure
    if golden.size != (side, side):
        raise BundleRefused(f"The golden input in {bundle.folder} is not {side} x {side} pixels.")
    return np.asarray(golden)


def _read_logits(bundle: Bundle) -> tuple[Logits, Logits]:
    """Read the logits in f32 and bf16; raises BundleRefused if they are not what they should be."""
    path = bundle.folder / GOLDEN_LOGITS_FILE
    shape = (len(bundle.manifest.golden.inputs), bundle.manifest.classes)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise BundleRefused(f"{path} cannot be read: {error}") from error
    f32, bf16 = tensors.get(F32_TENSOR), tensors.get(BF16_TENSOR)
    if f32 is None or bf16 is None or {f32.shape, bf16.shape} != {shape}:
        raise BundleRefused(f"{path} does not hold two tensors of shape {shape}: f32 and bf16.")
    if not (np.isfinite(f32).all() and np.isfinite(bf16).all()):
        raise BundleRefused(f"{path} holds values that are not numbers.")
    return f32, bf16
