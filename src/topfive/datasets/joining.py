"""Puts labelled photos together that lie in several places."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.listing import shorten
from topfive.errors import DatasetRefused

_MOST_PROBLEMS = 10


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Put datasets together, each with the classes of the one before it and perhaps further ones.

    A picture that is in several counts once; where one of them says what it is for, that holds.
    Raises DatasetRefused with the pictures that have another class or part elsewhere.
    """
    photos: dict[str, LabelledPhoto] = {}
    problems: list[str] = []
    classes = datasets[-1].classes
    for photo in (photo for one in datasets for photo in one.photos):
        first = photos.setdefault(photo.sha256, photo)
        photos[photo.sha256] = replace(first, part=first.part or photo.part)
        problems += _contradictions(first, photo, classes)
    if problems:
        raise DatasetRefused(
            f"The photos cannot be used together: {shorten(problems[:_MOST_PROBLEMS])}. Take one "
            "of each pair out."
        )
    notes = dict.fromkeys(note for one in datasets for note in one.notes)
    return Dataset(classes, tuple(photos.values()), tuple(notes))


def _contradictions(
    first: LabelledPhoto, other: LabelledPhoto, classes: Sequence[str]
) -> Iterator[str]:
    same = f"{other.path} is the same picture as {first.path}"
    if first.class_id != other.class_id:
        names = " and ".join(repr(classes[one.class_id]) for one in (first, other))
        yield f"{same}, in the classes {names}"
    elif first.part and other.part and first.part != other.part:
        yield f"{same}, in {first.part} and {other.part}"
