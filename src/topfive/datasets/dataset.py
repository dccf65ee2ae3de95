"""What a dataset is: labelled photos, each known by the sha256 of its bytes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# What a photo is for: to learn from; to choose by (when to stop, the temperature); to measure on.
Part = Literal["train", "validation", "held_out"]


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and what is seen on it; `class_id` counts a dataset's classes from 0.

    `part` is there where the dataset itself says what the photo is for.
    """

    path: Path
    class_id: int
    sha256: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photos of `classes`, each class in its place; `notes` say what a person should know of it."""

    classes: tuple[str, ...]
    photos: tuple[LabelledPhoto, ...]
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The sha256, in hex, over all photos' digests and classes, in whatever order they lie."""
        lines = sorted(f"{one.sha256} {self.classes[one.class_id]}\n" for one in self.photos)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
