"""Which photos are learned from, chosen by and measured on: by their digests, class by class."""

import csv
import hashlib
import io
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from topfive.datasets.dataset import Dataset, LabelledPhoto, Part
from topfive.datasets.listing import shorten
from topfive.errors import DatasetRefused

_COLUMNS = ("sha256", "class_id", "part", "class_name")
# A part may have a fifth more or less of a class than its share: thus photos stay where they are
# while others come and go.
_SLACK = 5


@dataclass(frozen=True, slots=True)
class Shares:
    """Which share of each class is for choosing and which for measuring; the rest is to learn."""

    validation: float = 0.15
    held_out: float = 0.15

    def __post_init__(self) -> None:
        if min(self.validation, self.held_out) < 0 or self.validation + self.held_out >= 1:
            raise ValueError(
                f"the shares {self.validation} and {self.held_out} leave nothing to learn from: "
                "together they are at least 0 and less than 1"
            )


@dataclass(frozen=True, slots=True)
class Split:
    """Every photo of a dataset, in exactly one part, in the dataset's order."""

    train: tuple[LabelledPhoto, ...]
    validation: tuple[LabelledPhoto, ...]
    held_out: tuple[LabelledPhoto, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many photos each part has."""
        return {part: len(getattr(self, part)) for part in get_args(Part)}


def split_dataset(
    dataset: Dataset, shares: Shares, seed: int, former: Mapping[str, Part] | None = None
) -> Split:
    """Split a dataset class by class; the same seed and photos give the same parts.

    `former` says in which part a picture was before, by sha256, and is followed; then what the
    dataset says itself. A part that the dataset names gets no other photos. Where a photo comes
    in depends on its own digest, and moves when others are added only if its class's share of a
    part would otherwise be off by more than a fifth. Raises DatasetRefused if a class has too few
    photos to have one in each part.
    """
    parts = {**_given_parts(dataset), **(former or {})}
    shares = _open_shares(dataset, shares)
    for photos in _by_class(dataset).values():
        _split_class(sorted({one.sha256 for one in photos}), shares, seed, parts)
    _require_each_part(dataset, shares, parts)
    return Split(
        *(
            tuple(one for one in dataset.photos if parts[one.sha256] == part)
            for part in get_args(Part)
        )
    )


def format_split(split: Split, classes: Sequence[str]) -> str:
    """Write which picture is in which part, as CSV: digests, and no file names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(
        (one.sha256, one.class_id, part, classes[one.class_id])
        for part in get_args(Part)
        for one in sorted(getattr(split, part), key=lambda photo: photo.sha256)
    )
    return text.getvalue()


def parse_split(text: str) -> dict[str, Part]:
    """Read which picture, by sha256, is in which part; raises DatasetRefused if it says no such."""
    parts: dict[str, Part] = {}
    known: dict[str, Part] = {part: part for part in get_args(Part)}
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        sha256, part = row.get("sha256"), known.get(row.get("part") or "")
        if not sha256 or part is None:
            raise DatasetRefused(
                f"Line {rows.line_num} of the split names no picture and part. Each needs sha256 "
                "and part: train, validation or held_out."
            )
        parts[sha256] = part
    return parts


def _given_parts(dataset: Dataset) -> dict[str, Part]:
    """Take over the parts that the dataset names.

    Where all photos have one, those to learn from may still be drawn for a part that none is in.
    """
    is_whole = all(one.part for one in dataset.photos)
    to_draw = {"validation", "held_out"} - {one.part for one in dataset.photos}
    return {
        one.sha256: one.part
        for one in dataset.photos
        if one.part and not (is_whole and to_draw and one.part == "train")
    }


def _open_shares(dataset: Dataset, shares: Shares) -> Shares:
    named = {one.part for one in dataset.photos}
    return Shares(
        validation=0 if "validation" in named else shares.validation,
        held_out=0 if "held_out" in named else shares.held_out,
    )


def _by_class(dataset: Dataset) -> dict[int, list[LabelledPhoto]]:
    by_class: dict[int, list[LabelledPhoto]] = defaultdict(list)
    for one in dataset.photos:
        by_class[one.class_id].append(one)
    return by_class


def _split_class(digests: Sequence[str], shares: Shares, seed: int, parts: dict[str, Part]) -> None:
    """Give each picture of a class that has no part yet one, in `parts`."""
    there = {parts[one] for one in digests if one in parts}
    places = sorted((_place(one, seed), one) for one in digests if one not in parts)
    values = [place for place, _ in places]
    lacks = {part: part not in there for part in get_args(Part)}
    needs_validation = lacks["validation"] and shares.validation > 0
    held_out = min(
        _count(values, shares.held_out, shares.held_out, is_lacking=lacks["held_out"]),
        max(0, len(places) - lacks["train"] - needs_validation),
    )
    until_validation = held_out + min(
        _count(
            values[held_out:],
            shares.held_out + shares.validation,
            shares.validation * len(places) / max(1, len(places) - held_out),
            is_lacking=lacks["validation"],
        ),
        max(0, len(places) - held_out - lacks["train"]),
    )
    for rank, (_, digest) in enumerate(places):
        drawn: Part = "held_out" if rank < held_out else "train"
        parts[digest] = "validation" if held_out <= rank < until_validation else drawn


def _place(sha256: str, seed: int) -> float:
    """Spread pictures evenly between 0 and 1, each by its digest alone."""
    digest = hashlib.sha256(f"{seed} {sha256}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _count(values: Sequence[float], until: float, share: float, *, is_lacking: bool) -> int:
    """Count the values below `until`, but take no fewer or more than a fifth off their share."""
    if share == 0:
        return 0
    expected = round(share * len(values))
    slack = max(1, expected // _SLACK)
    least = max(expected - slack, int(is_lacking))
    return max(least, min(bisect_left(values, until), expected + slack))


def _require_each_part(dataset: Dataset, shares: Shares, parts: Mapping[str, Part]) -> None:
    needed = {"train"} | {part for part in ("validation", "held_out") if getattr(shares, part)}
    lacking = [
        f"{dataset.classes[class_id]!r} ({len(photos)})"
        for class_id, photos in sorted(_by_class(dataset).items())
        if needed - {parts[one.sha256] for one in photos}
    ]
    if lacking:
        raise DatasetRefused(
            f"Too few photos: each class needs {len(needed)}, one for each of "
            f"{', '.join(part for part in get_args(Part) if part in needed)}. "
            f"It lacks them in {shorten(lacking)}."
        )
