"""The golden inputs of a bundle, and what the reference said of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from topfive.bundles.manifest import GOLDEN_LOGITS_FILE, GoldenClass
from topfive.bundles.store import Bundle
from topfive.classify.agreement import (
    INT8,
    Logits,
    Maps,
    find_disagreement,
    find_map_disagreement,
)
from topfive.classify.heatmap import ClassWeights, open_class_weights
from topfive.classify.topk import softmax
from topfive.engines.contract import Engine, FeaturedLogits
from topfive.errors import BundleRefused, Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

Pixels = NDArray[np.uint8]

# The names of two tensors in GOLDEN_LOGITS_FILE, each of shape (inputs, classes).
F32_TENSOR = "f32"
BF16_TENSOR = "bf16"
# And of two more where the bundle has heatmaps, (inputs, height, width): of the class that is best
# by the logits in f32.
F32_MAPS_TENSOR = "f32_maps"
BF16_MAPS_TENSOR = "bf16_maps"
# And of a bundle that was quantized, what its int8 graph gives where it is computed in f32.
INT8_TENSOR = "int8"
INT8_MAPS_TENSOR = "int8_maps"

# A bundle of before logits were kept says only what the reference's best confidences are, rounded
# to 6 digits. Softmax makes rounding large, so nothing but f32 can be told apart by them.
_MOST_CONFIDENCE_DIFFERENCE = 0.005


class GoldenAnswers(NamedTuple):
    """What an engine makes of the golden inputs.

    Logits (inputs, classes), and of each input the map (height, width) of the reference's best
    class; no maps where the bundle has no heatmaps.
    """

    logits: Logits
    maps: Maps | None = None


class Reference(Protocol):
    """What every engine's answers for a bundle's golden inputs are held against."""

    @property
    def inputs(self) -> Pixels:
        """The golden inputs: RGB of shape (inputs, side, side, 3)."""
        ...

    def ask(self, engine: Engine) -> GoldenAnswers:
        """Have an engine score the golden inputs; raises what its library raises."""
        ...

    def find_disagreement(self, answers: GoldenAnswers, precision: str) -> str:
        """Say in public words how answers with finite logits differ, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LogitsReference:
    """The reference's logits in f32 and in bf16, each of shape (inputs, classes).

    `int8` are those of the int8 graph computed in f32; without such a graph, those in bf16.
    """

    inputs: Pixels
    f32: Logits
    bf16: Logits
    int8: Logits

    def ask(self, engine: Engine) -> GoldenAnswers:
        """Have an engine score the golden inputs."""
        return _ask_for_logits(engine, self.inputs)

    def find_disagreement(self, answers: GoldenAnswers, precision: str) -> str:
        """Say how logits differ by more than the rounding of `precision`, or nothing."""
        rounded = self.int8 if precision == INT8 else self.bf16
        return find_disagreement(answers.logits, self.f32, rounded, precision)


@dataclass(frozen=True, slots=True)
class MapsReference:
    """The reference's logits, and its maps in f32 and bf16, each of shape (inputs, height, width).

    They are of the class that is best by its logits in f32. `int8` is as in LogitsReference.
    """

    logits: LogitsReference
    weights: ClassWeights
    f32: Maps
    bf16: Maps
    int8: Maps

    @property
    def inputs(self) -> Pixels:
        """The golden inputs: RGB of shape (inputs, side, side, 3)."""
        return self.logits.inputs

    def ask(self, engine: Engine) -> GoldenAnswers:
        """Have an engine score the golden inputs, and give the features for the maps."""
        featured = ask_for_features(engine, self.inputs)
        return weigh_features(featured, self.weights, best_classes(self.logits.f32))

    def find_disagreement(self, answers: GoldenAnswers, precision: str) -> str:
        """Say how logits or maps differ by more than the rounding of `precision`, or nothing."""
        maps = answers.maps
        if maps is None or maps.shape != self.f32.shape or not np.isfinite(maps).all():
            return "its heatmaps are of another size than the reference's, or no numbers."
        rounded = self.int8 if precision == INT8 else self.bf16
        return self.logits.find_disagreement(answers, precision) or find_map_disagreement(
            maps, self.f32, rounded, precision
        )


@dataclass(frozen=True, slots=True)
class TopFiveReference:
    """The best classes of the golden picture alone, as bundles once kept them; good for f32."""

    inputs: Pixels
    top_five: tuple[GoldenClass, ...]

    def ask(self, engine: Engine) -> GoldenAnswers:
        """Have an engine score the golden picture."""
        return _ask_for_logits(engine, self.inputs)

    def find_disagreement(self, answers: GoldenAnswers, precision: str) -> str:
        """Say how confidences differ, or nothing; any precision but f32 is refused."""
        if precision != "f32":
            return (
                "the bundle was made before its reference's logits were kept, so that f32 alone "
                "can be checked. Delete the bundle and pull it again."
            )
        probabilities = softmax(answers.logits[0])
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


def open_reference(bundle: Bundle, has_features: bool) -> Reference:
    """Read what the reference says of a bundle's golden inputs; raises BundleRefused.

    An engine that gives features is held against the maps too, where the bundle has them.
    """
    picture = _golden_picture(bundle)
    golden = bundle.manifest.golden
    if not golden.inputs:
        return TopFiveReference(picture[np.newaxis], golden.top_five)
    tensors = _read_tensors(bundle)
    has_int8 = bundle.manifest.int8 is not None
    names = (F32_TENSOR, BF16_TENSOR, INT8_TENSOR if has_int8 else BF16_TENSOR)
    logits = LogitsReference(
        make_inputs(picture, golden.inputs), *(_logits(bundle, tensors, name) for name in names)
    )
    section = bundle.manifest.heatmap
    if section is None:
        return logits
    weights = open_class_weights(bundle, section)
    names = (F32_MAPS_TENSOR, BF16_MAPS_TENSOR, INT8_MAPS_TENSOR if has_int8 else BF16_MAPS_TENSOR)
    maps = MapsReference(logits, weights, *(_maps(bundle, tensors, name) for name in names))
    return maps if has_features else logits


def best_classes(logits: Logits) -> list[int]:
    """Tell the best class of each input, by logits (inputs, classes)."""
    best: list[int] = logits.argmax(axis=1).tolist()
    return best


def ask_for_features(engine: Engine, inputs: Pixels) -> list[FeaturedLogits]:
    """Have an engine score inputs (inputs, side, side, 3), and give the features too."""
    return [engine.infer_with_features(one[np.newaxis]) for one in inputs]


def weigh_features(
    featured: list[FeaturedLogits], weights: ClassWeights, class_ids: list[int]
) -> GoldenAnswers:
    """Make a map of one class for each input's features."""
    maps = [
        weights.weigh(one.features, class_id)
        for one, class_id in zip(featured, class_ids, strict=True)
    ]
    return GoldenAnswers(np.stack([one.logits for one in featured]), np.stack(maps))


def _ask_for_logits(engine: Engine, inputs: Pixels) -> GoldenAnswers:
    return GoldenAnswers(np.stack([engine.infer(one[np.newaxis]) for one in inputs]))


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


def _read_tensors(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    path = bundle.folder / GOLDEN_LOGITS_FILE
    try:
        tensors: dict[str, NDArray[np.float32]] = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise BundleRefused(f"{path} cannot be read: {error}") from error
    return tensors


def _logits(bundle: Bundle, tensors: dict[str, Logits], name: str) -> Logits:
    """Take logits from a file's tensors; raises BundleRefused if they are not what they should."""
    path = bundle.folder / GOLDEN_LOGITS_FILE
    shape = (len(bundle.manifest.golden.inputs), bundle.manifest.classes)
    logits = tensors.get(name)
    if logits is None or logits.shape != shape:
        raise BundleRefused(f"{path} does not hold a tensor {name} of shape {shape}.")
    if not np.isfinite(logits).all():
        raise BundleRefused(f"{path} holds values that are not numbers.")
    return logits


def _maps(bundle: Bundle, tensors: dict[str, Maps], name: str) -> Maps:
    """Take maps from a file's tensors; raises BundleRefused if they are not what they should."""
    maps = tensors.get(name)
    is_right = (
        maps is not None and maps.ndim == 3 and len(maps) == len(bundle.manifest.golden.inputs)
    )
    if maps is None or not is_right or not np.isfinite(maps).all():
        path = bundle.folder / GOLDEN_LOGITS_FILE
        raise BundleRefused(f"{path} does not hold a map for each golden input in {name}.")
    return maps
