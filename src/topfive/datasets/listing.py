"""What a folder or a CSV says of its photos, before any of them is opened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from topfive.datasets.dataset import Part
from topfive.errors import DatasetRefused

_MOST_PROBLEMS = 10
_MOST_SHOWN = 3

# How folders and tables of others call the parts, in small letters.
PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "held_out": "held_out",
    "held-out": "held_out",
    "holdout": "held_out",
    "test": "held_out",
}


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo as it is listed: its class by name, by number or by both; `where` is for messages."""

    path: Path
    where: str
    class_name: str | None
    class_id: int | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos that `source` lists, and what is wrong or worth knowing already."""

    source: Path
    photos: tuple[ListedPhoto, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def refuse(source: Path, problems: Sequence[str]) -> None:
    """Raise DatasetRefused with the first problems there are, one a line; none: do nothing."""
    if not problems:
        return
    if len(problems) == 1:
        raise DatasetRefused(f"The dataset {source} cannot be used: {problems[0]}")
    lines = [f"- {one}" for one in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"- and {len(problems) - _MOST_PROBLEMS} more.")
    raise DatasetRefused(
        f"The dataset {source} cannot be used, for {len(problems)} reasons:\n" + "\n".join(lines)
    )


def shorten(names: Iterable[object]) -> str:
    """List the first names there are, and how many more."""
    shown = [str(name) for name in names]
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
