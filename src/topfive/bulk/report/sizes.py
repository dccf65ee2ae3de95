"""Which formats pictures have, and how large they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# A factor of ten in eight steps: from 1 kB (1,000 pixels) to 1 GB (1,000 megapixels).
SIZE_EDGES: npt.NDArray[np.float64] = np.geomspace(1e3, 1e9, 49)


@dataclass(slots=True)
class CountedFormat:
    """One format, how many pictures have it, and how large they are together."""

    name: str
    pictures: int = 0
    size_bytes: int = 0
    pixels: int = 0


class SizeTally:
    """Counts formats and sizes of the pictures that were opened."""

    def __init__(self) -> None:
        bins = len(SIZE_EDGES) - 1
        self.byte_bins: npt.NDArray[np.int64] = np.zeros(bins, np.int64)
        self.pixel_bins: npt.NDArray[np.int64] = np.zeros(bins, np.int64)
        self._formats: dict[str, CountedFormat] = {}

    def add(self, batch: Any) -> None:
        """Take in a batch of rows, as `columns` has them."""
        opened = batch.filter(batch["format"].is_valid())
        if not opened.num_rows:
            return
        sizes = opened["size_bytes"].to_numpy()
        pixels = opened["width"].to_numpy() * opened["height"].to_numpy()
        self.byte_bins += _count(sizes)
        self.pixel_bins += _count(pixels)
        encoded = opened["format"].dictionary_encode()
        places = encoded.indices.to_numpy()
        for place, name in enumerate(encoded.dictionary.to_pylist()):
            counted = self._formats.setdefault(name, CountedFormat(name))
            chosen = places == place
            counted.pictures += int(chosen.sum())
            counted.size_bytes += int(sizes[chosen].sum())
            counted.pixels += int(pixels[chosen].sum())

    def most_frequent(self) -> list[CountedFormat]:
        """List all formats, the most frequent first."""
        return sorted(self._formats.values(), key=lambda one: (-one.pictures, one.name))


def _count(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count values by their size; those beyond either end are counted at it."""
    inside = np.clip(values, SIZE_EDGES[0], SIZE_EDGES[-1])
    return np.histogram(inside, SIZE_EDGES)[0]
