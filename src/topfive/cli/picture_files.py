"""Which picture files are meant: those that are named, those in folders, and standard input."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from topfive.errors import Failure, MissingFile
from topfive.images.sniff import picture_suffixes

STANDARD_INPUT = Path("-")


class PictureFile(NamedTuple):
    """A file to classify, or what is wrong with it already."""

    path: Path
    error: Failure | OSError | None = None


def find_pictures(sources: Iterable[Path]) -> Iterator[PictureFile]:
    """List the files that are named, and those in folders, sorted, at every depth.

    In folders, files that do not end like pictures are skipped, and counted on standard error. A
    folder that cannot be read or has no picture, and a pipe, device or socket in it, is listed with
    its error.
    """
    for source in sources:
        if source.is_dir():
            yield from _in_folder(source)
        else:
            yield PictureFile(source)


def read_picture(path: Path, max_bytes: int) -> bytes:
    """Read a picture, of too large a file no more than shows that it is; raises OSError."""
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(max_bytes + 1)
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def _in_folder(folder: Path) -> Iterator[PictureFile]:
    errors: list[OSError] = []
    files = sorted(
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=errors.append)
        for name in names
    )
    suffixes = picture_suffixes()
    pictures = [file for file in files if file.suffix.lower() in suffixes]
    _tell_skipped(folder, len(files) - len(pictures))
    yield from (PictureFile(Path(error.filename), error) for error in errors)
    yield from (PictureFile(file, _not_a_file(file)) for file in pictures)
    if not pictures and not errors:
        yield PictureFile(folder, MissingFile("The folder holds no picture."))


def _not_a_file(path: Path) -> OSError | None:
    """Say that a pipe, device or socket is no file: reading one may wait for ever."""
    if path.is_file() or not path.exists():
        return None
    return OSError(errno.EINVAL, "It is not a regular file")


def _tell_skipped(folder: Path, count: int) -> None:
    if count:
        files = "1 file" if count == 1 else f"{count} files"
        name = click.format_filename(folder)
        click.echo(f"Note: {files} in {name} skipped, not named like a picture.", err=True)
