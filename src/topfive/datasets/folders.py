"""A folder per class, with or without a folder per part above them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from topfive.datasets.dataset import Part
from topfive.datasets.listing import PARTS, ListedPhoto, Listing, shorten
from topfive.images.sniff import picture_suffixes

# Said to be pictures even where their decoder is missing: then they are refused, and not left out.
_SUFFIXES = picture_suffixes() | {".avif", ".heic", ".heif"}


class _Found(NamedTuple):
    photos: list[ListedPhoto]
    left_out: list[Path]
    problems: list[str]
    # Classes that have no photo in one of the folders called like them.
    empty: set[str]


def list_folder(root: Path) -> Listing:
    """List the photos in the folders of `root`, each called by its class, in the order of names.

    Where every folder is called like a part (`train`, `val`, `test`), the classes lie in those.
    Files not named like pictures are left out, hidden ones without a word.
    """
    found = _Found([], [], [], set())
    folders = [one for one in _visible(root, found) if one.is_dir()]
    if not folders:
        found.problems.append(_no_folders(root, found))
    elif all(one.name.lower() in PARTS for one in folders):
        for folder in folders:
            _list_classes(folder, PARTS[folder.name.lower()], found)
    else:
        _list_classes(root, None, found)
    found.problems.extend(_empty_classes(found))
    return Listing(root, tuple(found.photos), tuple(found.problems), _notes(found))


def _list_classes(folder: Path, part: Part | None, found: _Found) -> None:
    entries = list(_visible(folder, found))
    loose = [one for one in entries if _is_named_like_a_picture(one) and not one.is_dir()]
    if loose:
        found.problems.append(
            f"{shorten(loose)} lie beside the classes' folders. Put each into its class's folder."
        )
    found.left_out.extend(one for one in entries if not one.is_dir() and one not in loose)
    for one in entries:
        if one.is_dir():
            _list_class(one, part, found)


def _list_class(folder: Path, part: Part | None, found: _Found) -> None:
    before = len(found.photos) + len(found.problems)
    for path in _visible(folder, found):
        if path.is_dir():
            found.problems.append(
                f"{path} is a folder in a class's folder. Put its photos into {folder} itself."
            )
        elif not _is_named_like_a_picture(path):
            found.left_out.append(path)
        else:
            found.photos.append(ListedPhoto(path, str(path), folder.name, part=part))
    if len(found.photos) + len(found.problems) == before:
        found.empty.add(folder.name)


def _visible(folder: Path, found: _Found) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        found.problems.append(f"{folder} cannot be read: {error.strerror}.")
        return
    yield from (one for one in paths if not one.name.startswith((".", "__MACOSX")))


def _no_folders(root: Path, found: _Found) -> str:
    entries = list(_visible(root, found))
    tables = [one for one in entries if one.suffix.lower() == ".csv"]
    if tables:
        return f"it holds no folder per class. If {shorten(tables)} lists its photos, name that."
    return (
        "it holds no folder per class. Make one for each, called by the class, with its photos in "
        "it; or name a CSV file with the columns file and class."
    )


def _empty_classes(found: _Found) -> list[str]:
    filled = {photo.class_name for photo in found.photos}
    return [
        f"class {name!r} has no photo. Put photos into its folder, or delete it."
        for name in sorted(found.empty - filled)
    ]


def _is_named_like_a_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES


def _notes(found: _Found) -> tuple[str, ...]:
    if not found.left_out:
        return ()
    files = "1 file is" if len(found.left_out) == 1 else f"{len(found.left_out)} files are"
    return (f"{files} not named like a picture and left out: {shorten(found.left_out)}.",)
