"""Where in a picture its best class was seen: class activation maps, brought back to the picture.

Both architectures end in the mean of their features over all places, and one linear layer. So a
class's logit is the mean over all places of the features weighted by that layer's row for it, and
the weighted features say how much each place has added. Source: Zhou et al., "Learning Deep
Features for Discriminative Localization" (2016). Where a network ends like this, it is what
Grad-CAM gives, but for a factor: Selvaraju et al. (2017), section 3.1.
"""

from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open

from topfive.bundles.manifest import HEATMAP_FILE
from topfive.bundles.store import Bundle
from topfive.errors import BundleRefused, HeatmapUnavailable
from topfive.images.decode import Decoded
from topfive.images.preprocess import crop_box
from topfive.input_recipe import InputRecipe
from topfive.predictions import Heatmap

Numbers = NDArray[np.float32]

# A map has 7 x 7 places: between them there is nothing that a larger picture could show.
LONGEST_SIDE = 128
# Of such pictures, a third of zlib's usual time for a twentieth more bytes.
_COMPRESS_LEVEL = 2


class ClassMaps(Protocol):
    """How a classifier sees where a class was."""

    def require(self) -> None:
        """Do nothing if heatmaps can be made; raises HeatmapUnavailable."""

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Sum up features (height, width, channels) for a class: its map (height, width)."""


class NoClassMaps:
    """Stands in for a bundle of before there were heatmaps."""

    def require(self) -> None:
        """Raise HeatmapUnavailable."""
        raise HeatmapUnavailable(
            "The bundle of this model was made before there were heatmaps. Leave `explain` out, or "
            "have the bundle made again with `topfive pull`."
        )

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Raise HeatmapUnavailable."""
        self.require()
        return features[..., class_id]


class ClassWeights:
    """The weights by which each class sums up features, read from the file row by row."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def require(self) -> None:
        """Do nothing: heatmaps can be made."""

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Sum up features (height, width, channels) for a class: its map (height, width)."""
        row: Numbers = self._rows[class_id].astype(np.float32)
        summed: Numbers = features @ row
        return summed


def open_class_weights(bundle: Bundle, tensor: str) -> ClassWeights:
    """Open the weights of a bundle, of shape (classes, channels); raises BundleRefused."""
    path = bundle.folder / HEATMAP_FILE
    try:
        with safe_open(path, "numpy") as file:
            rows = file.get_slice(tensor)
    except (OSError, SafetensorError) as error:
        raise BundleRefused(f"{path} cannot be read: {error}") from error
    shape = rows.get_shape()
    if len(shape) != 2 or shape[0] != bundle.manifest.classes:
        raise BundleRefused(f"{path} holds weights of shape {shape}, not one row for each class.")
    return ClassWeights(rows)


def open_class_maps(bundle: Bundle) -> ClassMaps:
    """Open what a bundle has for heatmaps; raises BundleRefused where it is damaged."""
    section = bundle.manifest.heatmap
    return open_class_weights(bundle, section.tensor) if section else NoClassMaps()


def draw_heatmap(
    class_id: int, class_map: Numbers, decoded: Decoded, recipe: InputRecipe
) -> Heatmap:
    """Draw a class's map (height, width) as it lies in the upright picture.

    From black, where the class was not seen or the model has not looked, to white, where it was
    seen most.
    """
    width, height = _heatmap_size(decoded.size)
    part = _part_seen(decoded, recipe)
    seen = _relative(class_map)
    across = _interpolation(width, part[0], part[2], seen.shape[1])
    down = _interpolation(height, part[1], part[3], seen.shape[0])
    levels = np.rint(down @ seen @ across.T * 255).astype(np.uint8)
    png = BytesIO()
    Image.fromarray(levels).save(png, "PNG", compress_level=_COMPRESS_LEVEL)
    return Heatmap(class_id, width, height, png.getvalue())


def _relative(class_map: Numbers) -> Numbers:
    """Bring a map to 0 to 1; what speaks against the class is left out, as in Grad-CAM."""
    seen = np.maximum(class_map, 0)
    most = seen.max()
    relative: Numbers = seen / most if most > 0 else seen
    return relative


def _heatmap_size(size: tuple[int, int]) -> tuple[int, int]:
    shrink = min(1.0, LONGEST_SIDE / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    return width, height


def _part_seen(decoded: Decoded, recipe: InputRecipe) -> tuple[float, float, float, float]:
    """Tell which part of the picture a model sees, as shares of its width and height."""
    width, height = decoded.pixels.size
    left, top, right, bottom = crop_box((width, height), recipe)
    return left / width, top / height, right / width, bottom / height


def _interpolation(pixels: int, begin: float, end: float, places: int) -> Numbers:
    """Make what turns values at `places` into pixels along one side: (pixels, places).

    The places share the part of the side from `begin` to `end` evenly. Between their middles it is
    linear, beyond the outer ones even; pixels wholly outside the part have no weights.
    """
    edges = np.arange(pixels + 1) / pixels
    middles = (edges[:-1] + edges[1:]) / 2
    at = np.clip((middles - begin) / (end - begin) * places - 0.5, 0, places - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, np.newaxis] - np.arange(places)))
    weights[(edges[1:] <= begin) | (edges[:-1] >= end)] = 0
    exact: Numbers = weights.astype(np.float32)
    return exact
