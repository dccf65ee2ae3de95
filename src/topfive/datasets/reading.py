"""Reads labelled photos: a folder per class, or a CSV; every photo is opened once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from topfive.datasets.classes import NumberedClasses, find_classes, number_new_classes
from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.folders import list_folder
from topfive.datasets.listing import ListedPhoto, Listing, refuse, shorten
from topfive.datasets.photos import CheckedPhoto, Report, check_photos
from topfive.datasets.tables import SUFFIXES, list_table
from topfive.images.limits import ImageLimits

_LIMITS = ImageLimits()


def read_dataset(
    path: Path,
    classes: tuple[str, ...] | None = None,
    *,
    adds_classes: bool = False,
    limits: ImageLimits = _LIMITS,
    report: Report = lambda _done, _total: None,
) -> Dataset:
    """Read the photos that a folder or a CSV names, and check each of them.

    With `classes`, those of a model, photos get its class ids; with `adds_classes`, names that it
    does not have are put behind its own. Without them the classes are those that are named, at
    least two. A picture that is there twice counts once, by its bytes. `report` is told how many
    photos of how many are read. Raises DatasetRefused with all that is wrong.
    """
    listing = _list(path)
    numbered = _number(listing.photos, classes, adds_classes=adds_classes)
    checked = check_photos([photo.path for photo in listing.photos], limits, report)
    unique = _Unique(numbered.names)
    for photo, class_id, one in zip(listing.photos, numbered.ids, checked, strict=True):
        unique.add(photo, class_id, one)
    problems = [*listing.problems, *numbered.problems, *unique.problems]
    refuse(path, problems or list(_too_few(listing, numbered, classes)))
    notes = (*listing.notes, *numbered.notes, *unique.notes())
    return Dataset(numbered.names, tuple(unique.photos), notes)


def _list(path: Path) -> Listing:
    if path.is_dir():
        return list_folder(path)
    if not path.exists():
        refuse(path, ["there is no such folder or file."])
    if path.suffix.lower() not in SUFFIXES:
        refuse(path, ["it is neither a folder nor a CSV file. Name a folder per class, or a CSV."])
    return list_table(path)


def _number(
    photos: Sequence[ListedPhoto], classes: tuple[str, ...] | None, *, adds_classes: bool
) -> NumberedClasses:
    if classes is None:
        return number_new_classes(photos)
    return find_classes(photos, classes, adds_classes=adds_classes)


def _too_few(
    listing: Listing, numbered: NumberedClasses, classes: tuple[str, ...] | None
) -> Iterator[str]:
    if not listing.photos:
        yield "it lists no photo."
    elif classes is None and len(numbered.names) == 1:
        yield f"all its photos are of the class {numbered.names[0]!r}. Two classes are needed."


class _Unique:
    """The photos that can be used, each picture once, and what is wrong with the others."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.photos: list[LabelledPhoto] = []
        self.problems: list[str] = []
        self._classes = classes
        self._first: dict[str, LabelledPhoto] = {}
        self._repeated: list[str] = []

    def add(self, photo: ListedPhoto, class_id: int | None, checked: CheckedPhoto) -> None:
        """Take one photo, unless its picture is there already or it has no class."""
        if checked.problem:
            self.problems.append(f"{photo.where}: {checked.problem}")
        elif class_id is not None:
            self._add(photo.where, LabelledPhoto(photo.path, class_id, checked.sha256, photo.part))

    def notes(self) -> tuple[str, ...]:
        """Say which pictures are there more than once."""
        if not self._repeated:
            return ()
        count = len(self._repeated)
        files = "1 photo repeats" if count == 1 else f"{count} photos repeat"
        return (f"{files} another and does not count: {shorten(self._repeated)}.",)

    def _add(self, where: str, photo: LabelledPhoto) -> None:
        first = self._first.setdefault(photo.sha256, photo)
        if first is photo:
            self.photos.append(photo)
        elif first.class_id != photo.class_id:
            names = (self._classes[one.class_id] for one in (first, photo))
            self._contradict(where, first, " and in ".join(f"class {name!r}" for name in names))
        elif first.part != photo.part:
            parts = (one.part or "no part" for one in (first, photo))
            self._contradict(where, first, " and in ".join(parts))
        else:
            self._repeated.append(f"{photo.path} is {first.path}")

    def _contradict(self, where: str, first: LabelledPhoto, both: str) -> None:
        self.problems.append(
            f"{where} is the same picture as {first.path}: it is in {both}. Take one out."
        )
