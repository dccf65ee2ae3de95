"""Which class, by its number, each listed photo is of."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from topfive.bundles.manifest import MAX_CLASSES
from topfive.datasets.listing import ListedPhoto, shorten

# What a labels file, one name a line, cannot hold.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class NumberedClasses:
    """The names of all classes, and of each photo the class; None where `problems` say why."""

    names: tuple[str, ...]
    ids: tuple[int | None, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def number_new_classes(photos: Sequence[ListedPhoto]) -> NumberedClasses:
    """Put classes in the order of class_id where all photos have one, else of names."""
    if not all(photo.class_id is not None for photo in photos):
        names = sorted({_name_of(photo) for photo in photos})
        return _numbered(photos, names, {name: place for place, name in enumerate(names)})
    by_id: dict[int, set[str]] = defaultdict(set)
    for photo in photos:
        by_id[photo.class_id or 0].add(_name_of(photo))
    problems = [
        f"class_id {number} is called {shorten(map(repr, sorted(names)))}. Give a class one name."
        for number, names in sorted(by_id.items())
        if len(names) > 1
    ]
    ordered = [min(by_id[number]) for number in sorted(by_id)]
    repeated = sorted({name for name in ordered if ordered.count(name) > 1})
    problems.extend(f"{name!r} has more than one class_id. Give a class one." for name in repeated)
    places = {number: place for place, number in enumerate(sorted(by_id))}
    ids = tuple(places[photo.class_id or 0] for photo in photos)
    return NumberedClasses(tuple(ordered), ids, (*problems, *_check_names(ordered)))


def find_classes(
    photos: Sequence[ListedPhoto], known: tuple[str, ...], *, adds_classes: bool
) -> NumberedClasses:
    """Look photos' classes up among those of a model, by class_id where there is one.

    With `adds_classes` names count, and those that are not known are put behind the others.
    """
    if adds_classes:
        return _add_classes(photos, known)
    found = _KnownClasses(known)
    ids: list[int | None] = []
    problems: dict[str, str] = {}
    for photo in photos:
        try:
            ids.append(found.find(photo))
        except ValueError as error:
            ids.append(None)
            problems.setdefault(str(error), photo.where)
    lines = tuple(f"{where}: {problem}" for problem, where in problems.items())
    return NumberedClasses(known, tuple(ids), lines, found.notes())


def _add_classes(photos: Sequence[ListedPhoto], known: tuple[str, ...]) -> NumberedClasses:
    places = {_plain(name): place for place, name in enumerate(known)}
    new = sorted({_name_of(photo) for photo in photos} - set(places))
    places.update({name: len(known) + place for place, name in enumerate(new)})
    return _numbered(photos, [*known, *new], places)


def _numbered(
    photos: Sequence[ListedPhoto], names: list[str], places: dict[str, int]
) -> NumberedClasses:
    ids = tuple(places[_name_of(photo)] for photo in photos)
    return NumberedClasses(tuple(names), ids, tuple(_check_names(names)))


class _KnownClasses:
    """The classes of a model, and which of them a table calls otherwise."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(names):
            self._places[_plain(name)].append(place)
        self._renamed: dict[int, str] = {}

    def find(self, photo: ListedPhoto) -> int:
        """Return a photo's class; raises ValueError if the model has none, or several."""
        if photo.class_id is not None:
            return self._find_id(photo.class_id, photo.class_name)
        name = _name_of(photo)
        places = self._places.get(name, [])
        if not places:
            raise ValueError(
                f"the model has no class {name!r}. It has {shorten(map(repr, self._names))}."
            )
        if len(places) > 1:
            raise ValueError(
                f"the model's classes {shorten(places)} are all called {name!r}. Name the photos "
                "in a CSV with the column class_id."
            )
        return places[0]

    def notes(self) -> tuple[str, ...]:
        """Say which classes a table calls otherwise than the model."""
        if not self._renamed:
            return ()
        pairs = [
            f"{number} is {name!r}, in the model {self._names[number]!r}"
            for number, name in sorted(self._renamed.items())
        ]
        return (f"Of classes with other names class_id counts: {shorten(pairs)}.",)

    def _find_id(self, class_id: int, name: str | None) -> int:
        if class_id >= len(self._names):
            last = len(self._names) - 1
            raise ValueError(f"there is no class_id {class_id}: the model has 0 to {last}.")
        others = self._places.get(_plain(name or ""), [])
        if others and class_id not in others:
            raise ValueError(
                f"{name!r} is class {others[0]} of the model, and not class_id {class_id}. "
                "Take one of the two columns out."
            )
        if name and not others:
            self._renamed[class_id] = name
        return class_id


def _name_of(photo: ListedPhoto) -> str:
    return _plain(str(photo.class_id) if photo.class_name is None else photo.class_name)


def _plain(name: str) -> str:
    # Some file systems write an accent apart from its letter; the class is the same.
    return unicodedata.normalize("NFC", name.strip())


def _check_names(names: Sequence[str]) -> list[str]:
    problems = [
        f"the class name {name!r} is empty, or has a control character or a letter that is not "
        "UTF-8. Give it another name."
        for name in names
        if not name or _CONTROL.search(name) or not _is_text(name)
    ]
    if len(names) > MAX_CLASSES:
        problems.append(f"it has {len(names)} classes; a model has {MAX_CLASSES} at most.")
    return problems


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
