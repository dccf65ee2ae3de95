"""Which photos a model is calibrated on, and on which other ones its accuracy is measured."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from topfive.datasets.dataset import Dataset, LabelledPhoto, Part
from topfive.errors import DatasetRefused

# Of photos that no split has a part for; the others measure, which takes more of them.
_CALIBRATION_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Division:
    """Photos to calibrate on and photos to measure on; no picture is in both."""

    calibration: tuple[LabelledPhoto, ...]
    held_out: tuple[LabelledPhoto, ...]


def divide_photos(dataset: Dataset, former: Mapping[str, Part], most: int) -> Division:
    """Take at most `most` photos to calibrate on, and all that it has not learned to measure on.

    What the model was trained with calibrates, and what was held out then measures: `former` says
    which, by sha256, then what the dataset says itself. Other photos are divided by their digests,
    so that the same ones always give the same graph. Raises DatasetRefused if none is left to do
    one or the other.
    """
    parts = {one.sha256: former.get(one.sha256, one.part) for one in dataset.photos}
    ordered = sorted(dataset.photos, key=_place)
    learned = [one for one in ordered if parts[one.sha256] in ("train", "validation")]
    held_out = [one for one in ordered if parts[one.sha256] == "held_out"]
    others = [one for one in ordered if parts[one.sha256] is None]
    calibration = learned[:most]
    more = min(most - len(calibration), round(len(others) * _CALIBRATION_SHARE))
    calibration += others[:more]
    held_out += others[more:]
    _require_both(dataset, len(calibration), len(held_out))
    return Division(tuple(calibration), tuple(held_out))


def _place(photo: LabelledPhoto) -> str:
    """Mix photos in an order that depends on their bytes alone."""
    return hashlib.sha256(f"calibration {photo.sha256}".encode()).hexdigest()


def _require_both(dataset: Dataset, calibration: int, held_out: int) -> None:
    count = len(dataset.photos)
    if not held_out:
        raise DatasetRefused(
            f"All {count} photos are ones that the model was trained with, so that none is left to "
            "measure its accuracy on. Give others too, such as those of its held-out part."
        )
    if not calibration:
        raise DatasetRefused(
            f"None of the {count} photos can be calibrated on: all are held out, or they are too "
            "few. Give some hundred photos like those that the model will see."
        )
