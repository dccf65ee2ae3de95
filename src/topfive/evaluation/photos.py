"""Which photos of a dataset a model is evaluated on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from topfive.bundles.manifest import SPLIT_FILE
from topfive.bundles.store import Bundle
from topfive.datasets.dataset import LabelledPhoto, Part
from topfive.datasets.split import parse_split
from topfive.errors import DatasetRefused

# `unseen`: what no model was trained on, nor chosen by.
PartChoice = Literal["unseen", "held_out", "validation", "train", "all"]
PART_CHOICES: tuple[PartChoice, ...] = ("unseen", "held_out", "validation", "train", "all")

_SEEN = ("train", "validation")

Photos = tuple[LabelledPhoto, ...]


def read_split(bundle: Bundle) -> dict[str, Part]:
    """Read which photo, by its sha256, was for what when a bundle was trained; none: nothing."""
    if SPLIT_FILE not in bundle.manifest.files:
        return {}
    return parse_split((bundle.folder / SPLIT_FILE).read_text("utf-8"))


def choose_photos(photos: Photos, part: PartChoice, splits: Sequence[Mapping[str, Part]]) -> Photos:
    """Take the photos of a part; `splits` are those of the models, the evaluated one's first.

    `unseen` leaves out what any of the models was trained on or chosen by. For the other parts the
    first model's split counts, and where it has none, what the dataset itself says. Raises
    DatasetRefused where that leaves nothing.
    """
    if part == "all":
        return photos
    if part == "unseen":
        chosen = tuple(
            one for one in photos if all(split.get(one.sha256) not in _SEEN for split in splits)
        )
    else:
        split = splits[0]
        chosen = tuple(
            one for one in photos if (split.get(one.sha256) if split else one.part) == part
        )
    if not chosen:
        raise DatasetRefused(_nothing_left(part, len(photos), has_split=bool(splits[0])))
    return chosen


def count_seen(photos: Photos, splits: Sequence[Mapping[str, Part]]) -> int:
    """Count the photos that any of the models was trained on or chosen by."""
    return sum(any(split.get(one.sha256) in _SEEN for split in splits) for one in photos)


def share_classes(
    photos: Photos, first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[Photos, Photos]:
    """Take the photos whose class both models have: as the first numbers it, as the second does.

    Classes are known by their names; of several with one name, the first is the other model's
    first. Raises DatasetRefused where there is no such photo.
    """
    if first == second:
        return photos, photos
    places = {key: class_id for class_id, key in enumerate(_numbered(second))}
    keys = _numbered(first)
    shared = tuple(one for one in photos if keys[one.class_id] in places)
    if not shared:
        raise DatasetRefused("No photo is of a class that both models have.")
    return shared, tuple(replace(one, class_id=places[keys[one.class_id]]) for one in shared)


def _numbered(names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Tell apart classes of one name: each with how many such stand before it."""
    seen: dict[str, int] = defaultdict(int)
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _nothing_left(part: PartChoice, count: int, *, has_split: bool) -> str:
    if part == "unseen":
        return (
            f"All {count} photos were there when the model was trained, so that they do not tell "
            "how good it is. Give others, or take these all the same with --part all."
        )
    if not has_split:
        return (
            f"Nothing says which photos are `{part}`: the bundle has no {SPLIT_FILE}, and the "
            "photos have no column `part`. Leave --part out."
        )
    return f"None of the {count} photos is in the part `{part}` of the bundle's {SPLIT_FILE}."
