"""The files below a folder, in the order of their paths, one folder in memory at a time."""

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from topfive.bulk.inputs.entries import Entry

_WILDCARDS = (b"*", b"?", b"[")
# Whether a path below the folder, as its parts, is meant; of a folder: whether to look into it.
Chooser = Callable[[list[bytes]], bool]


def walk(
    folder: bytes, wants_file: Chooser, wants_folder: Chooser, *, follow_links: bool = False
) -> Iterator[Entry]:
    """List the wanted files below `folder`, sorted by their paths' bytes.

    Links to files are files. Links to folders are followed only where that is asked for: they may
    lead in a circle. A folder that cannot be listed is an entry itself, so that it is not lost
    without a word; raises OSError where that is `folder`.
    """
    top = folder.rstrip(b"/") + b"/"
    choice = _Choice(wants_file, wants_folder, follow_links)
    pending = [choice.list_folder(top, [])]
    parts: list[bytes] = []
    while pending:
        if not pending[-1]:
            pending.pop()
            del parts[-1:]
            continue
        name = pending[-1].pop()
        if not name.endswith(b"/"):
            yield describe(top + b"/".join([*parts, name]))
            continue
        parts.append(name[:-1])
        below = top + b"/".join(parts)
        try:
            pending.append(choice.list_folder(below, parts))
        except OSError:
            parts.pop()
            yield Entry(below)


def describe(path: bytes) -> Entry:
    """Look up a file's size and time of change; one that cannot be looked up is named all the same.

    Reading it tells what is wrong.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - bytes
    except OSError:
        return Entry(path)
    size_bytes = found.st_size if stat.S_ISREG(found.st_mode) else -1
    return Entry(path, size_bytes, str(found.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class _Choice:
    wants_file: Chooser
    wants_folder: Chooser
    follow_links: bool

    def list_folder(self, folder: bytes, parts: list[bytes]) -> list[bytes]:
        """List what is wanted of one folder, the first name last."""
        names = []
        with os.scandir(folder) as entries:
            for one in entries:
                below = [*parts, one.name]
                if _is_folder(one, follow_links=self.follow_links):
                    if self.wants_folder(below):
                        # With its slash it is sorted as its files' paths are.
                        names.append(one.name + b"/")
                elif self.wants_file(below) and not _is_linked_folder(one):
                    names.append(one.name)
        names.sort(reverse=True)
        return names


def _is_folder(one: os.DirEntry[bytes], *, follow_links: bool) -> bool:
    try:
        return one.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False


def _is_linked_folder(one: os.DirEntry[bytes]) -> bool:
    return one.is_symlink() and _is_folder(one, follow_links=True)


class GlobPattern:
    """A glob: `*`, `?` and `[...]` within a name, and `**` for any number of folders.

    `folder` is the folders before the first wildcard, `start` all before it. Names that begin
    with a dot are meant only where the pattern has the dot, as in shells.
    """

    def __init__(self, pattern: bytes) -> None:
        parts = pattern.split(b"/")
        fixed = next(number for number, one in enumerate(parts) if has_wildcard(one))
        self.folder = b"/".join(parts[:fixed]) or b"/"
        self.start = pattern[: min(map(pattern.find, filter(pattern.__contains__, _WILDCARDS)))]
        self._parts = [one for one in parts[fixed:] if one]
        self._depth = next(
            (number for number, one in enumerate(self._parts) if one == b"**"), len(self._parts)
        )
        self.is_deep = self._depth < len(self._parts)
        self._names = [_compile(one) for one in self._parts]

    def wants_file(self, parts: list[bytes]) -> bool:
        """Tell whether a file's path below `folder` is meant."""
        return self._matches(parts, self._names)

    def wants_folder(self, parts: list[bytes]) -> bool:
        """Tell whether files below this folder can be meant."""
        depth = len(parts)
        if depth > self._depth:
            return self.is_deep and not parts[-1].startswith(b".")
        return depth < len(self._parts) and self._matches(parts, self._names[:depth])

    def _matches(self, parts: list[bytes], names: list[re.Pattern[str] | None]) -> bool:
        if not names:
            return not parts
        if names[0] is None:
            # `**` last means every file.
            if len(names) == 1:
                return not any(one.startswith(b".") for one in parts)
            return any(
                self._matches(parts[skipped:], names[1:])
                for skipped in range(len(parts))
                if not any(one.startswith(b".") for one in parts[:skipped])
            )
        return (
            bool(parts)
            and bool(names[0].match(os.fsdecode(parts[0])))
            and self._matches(parts[1:], names[1:])
        )


def has_wildcard(part: bytes) -> bool:
    """Tell a glob from a path."""
    return any(one in part for one in _WILDCARDS)


def _compile(part: bytes) -> re.Pattern[str] | None:
    if part == b"**":
        return None
    hidden = "" if part.startswith(b".") else r"(?!\.)"
    # As text, so that `?` is a character and not a byte of one.
    return re.compile(hidden + fnmatch.translate(os.fsdecode(part)))
