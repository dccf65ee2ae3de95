"""What a bundle's evaluation says of its predictions, for comparing later ones with."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.bundles.manifest import EVALUATION_FILE
from topfive.bundles.store import hash_file
from topfive.bundles.versions import KnownBundle


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """What was predicted for held-out photos: how often each class, (classes,), and how surely.

    `confidence_counts`, (bins,), are over bins of equal width between 0 and 1.
    """

    class_counts: NDArray[np.int64]
    confidence_counts: NDArray[np.int64]
    mean_confidence: float


def read_held_out(bundle: KnownBundle) -> HeldOutPredictions | None:
    """Read what a bundle predicted for its held-out photos; None where it does not say.

    A file that is not the one the bundle was made with says nothing.
    """
    path = bundle.folder / EVALUATION_FILE
    expected = bundle.manifest.files.get(EVALUATION_FILE)
    try:
        if expected is None or hash_file(path) != expected:
            return None
        return _parse(json.loads(path.read_bytes()), bundle.manifest.classes)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse(document: dict[str, Any], classes: int) -> HeldOutPredictions:
    class_counts = np.zeros(classes, np.int64)
    for cell in document["confusions"]:
        class_counts[cell["prediction"]] += cell["count"]
    bins = np.array([one["count"] for one in document["calibration_bins"]], np.int64)
    return HeldOutPredictions(class_counts, bins, float(document["mean_confidence"]))
