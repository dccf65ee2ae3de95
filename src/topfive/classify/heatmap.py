"""Where in a picture its best class was seen: class activation maps, brought back to the picture.

Many architectures end in the mean of their features over all places, and one linear layer. There a
class's logit is the mean over all places of the features weighted by that layer's row for it, and
the weighted features say how much each place has added. Source: Zhou et al., "Learning Deep
Features for Discriminative Localization" (2016). Where a network ends like this, it is what
Grad-CAM gives, but for a factor: Selvaraju et al. (2017), section 3.1.
"""

from io import BytesIO
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topfive.bundles.manifest import GRAPH_WEIGHTS_FILE, LAYOUT, HeatmapSection
from topfive.bundles.store import Bundle
from topfive.errors import BundleRefused, HeatmapUnavailable
from topfive.images.decode import Decoded
from topfive.images.heif import Size
from topfive.images.preprocess import Box, crop_box
from topfive.input_recipe import InputRecipe
from topfive.predictions import Heatmap

Numbers = NDArray[np.float32]

# A map has 7 x 7 places: between them there is nothing that a larger picture could show, and one of
# 128 pixels takes twice the time.
LONGEST_SIDE = 64
# Of such pictures, two thirds of zlib's usual time for a twentieth more bytes.
_COMPRESS_LEVEL = 1

_DTYPES: dict[str, np.dtype[np.floating]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}


class ClassMaps(Protocol):
    """How a classifier sees where a class was."""

    @property
    def are_there(self) -> bool:
        """Whether heatmaps can be made."""
        ...

    def require(self) -> None:
        """Do nothing if heatmaps can be made; raises HeatmapUnavailable."""

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Sum up features (height, width, channels) for a class: its map (height, width)."""


_MADE_BEFORE = (
    "The bundle of this model was made before there were heatmaps. Leave `explain` out, or "
    "have the bundle made again with `topfive pull`."
)
UNSOUND_HEATMAPS = (
    "The heatmaps of this model are not those of its reference, or cannot be made here; the "
    "service's log says more. Leave `explain` out."
)
_IMPORTED = (
    "This model was imported as a graph, which says nothing of the features that heatmaps are made "
    "from. Leave `explain` out."
)
_NO_FEATURES = (
    "This model has no heatmaps: its architecture, {}, does not end in the mean of its features "
    "and one linear layer. Leave `explain` out."
)


class NoClassMaps:
    """Stands in where there are no heatmaps; `why` is public."""

    are_there = False

    def __init__(self, why: str) -> None:
        self._why = why

    def require(self) -> None:
        """Raise HeatmapUnavailable."""
        raise HeatmapUnavailable(self._why)

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Raise HeatmapUnavailable."""
        self.require()
        return features[..., class_id]


class ClassWeights:
    """The weights by which each class sums up features: a row (channels,) for each class."""

    are_there = True

    def __init__(self, rows: NDArray[np.floating]) -> None:
        self._rows = rows

    def require(self) -> None:
        """Do nothing: heatmaps can be made."""

    def weigh(self, features: Numbers, class_id: int) -> Numbers:
        """Sum up features (height, width, channels) for a class: its map (height, width).

        Raises BundleRefused where there are not as many channels as weights; the golden check sees
        that before anything is answered.
        """
        row: Numbers = self._rows[class_id].astype(np.float32)
        if features.shape[-1:] != row.shape:
            raise BundleRefused(
                f"The bundle has weights for {row.size} channels in its heatmap section, and its "
                f"graph gives features of {features.shape[-1]}."
            )
        summed: Numbers = features @ row
        return summed


def open_class_weights(bundle: Bundle, section: HeatmapSection) -> ClassWeights:
    """Map the weights of a bundle from where its manifest says they lie: no worker holds them all.

    Raises BundleRefused where the file ends before they do.
    """
    path = bundle.folder / GRAPH_WEIGHTS_FILE
    shape, dtype = (bundle.manifest.classes, section.channels), _DTYPES[section.dtype]
    try:
        has_bytes = path.stat().st_size
        end = section.offset_bytes + prod(shape) * dtype.itemsize
        if end > has_bytes:
            raise BundleRefused(
                f"{path} has {has_bytes} bytes, and the bundle's heatmap section says that weights "
                f"lie in it up to byte {end}."
            )
        rows = np.memmap(path, dtype, "r", section.offset_bytes, shape)
    except OSError as error:
        raise BundleRefused(f"{path} cannot be read: {error}") from error
    return ClassWeights(np.asarray(rows))


def open_class_maps(bundle: Bundle) -> ClassMaps:
    """Open what a bundle has for heatmaps; raises BundleRefused where it is damaged."""
    manifest = bundle.manifest
    if manifest.heatmap is not None:
        return open_class_weights(bundle, manifest.heatmap)
    if manifest.imported:
        return NoClassMaps(_IMPORTED)
    if manifest.layout < LAYOUT:
        return NoClassMaps(_MADE_BEFORE)
    return NoClassMaps(_NO_FEATURES.format(manifest.architecture))


def draw_heatmap(
    class_id: int, class_map: Numbers, decoded: Decoded, recipe: InputRecipe
) -> Heatmap:
    """Draw a class's map (height, width) as it lies in the upright picture.

    From black, where the class was not seen or the model has not looked, to white, where it was
    seen most.
    """
    size = _heatmap_size(decoded.size)
    png = BytesIO()
    _lay(_relative(class_map), size, _part_seen(decoded, recipe)).save(
        png, "PNG", compress_level=_COMPRESS_LEVEL
    )
    return Heatmap(class_id, *size, png.getvalue())


def _relative(class_map: Numbers) -> Numbers:
    """Bring a map to 0 to 1; what speaks against the class is left out, as in Grad-CAM."""
    seen = np.maximum(class_map, 0)
    most = seen.max()
    relative: Numbers = seen / most if most > 0 else seen
    return relative


def _heatmap_size(size: Size) -> Size:
    shrink = min(1.0, LONGEST_SIDE / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    return width, height


def _part_seen(decoded: Decoded, recipe: InputRecipe) -> Box:
    """Tell which part of the picture a model sees, as shares of its width and height."""
    width, height = decoded.pixels.size
    left, top, right, bottom = crop_box((width, height), recipe)
    return left / width, top / height, right / width, bottom / height


def _lay(seen: Numbers, size: Size, part: Box) -> Image.Image:
    """Lay values of 0 to 1 over a part of a black picture of `size`, and interpolate between them.

    The part is given in shares of the sides; it is widened to a pixel where it is narrower.
    """
    (width, height), (left, top, right, bottom) = size, part
    across = seen.shape[1] / max(right - left, 1 / width)
    down = seen.shape[0] / max(bottom - top, 1 / height)
    levels = Image.fromarray(seen * 255 + 0.5)
    # It takes each pixel's middle from where these six numbers place it, and black from beyond.
    places = (across / width, 0, -across * left, 0, down / height, -down * top)
    laid = levels.transform(size, Image.Transform.AFFINE, places, Image.Resampling.BILINEAR)
    return laid.convert("L")
