"""The classes' names, one a line, in the order of the model's outputs."""

import hashlib
import re
from collections import Counter
from pathlib import Path

from topfive.errors import LabelsRefused

_MOST_BYTES = 16 * 1024 * 1024
# What could steer a terminal; a tab between two columns does no harm.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the names in a labels file; raises LabelsRefused if it cannot be read or has none."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise LabelsRefused(
            f"The labels file {_shown(path)} cannot be read: {error.strerror}. "
            "Check TOPFIVE_LABELS (--labels)."
        ) from error
    if len(text) > _MOST_BYTES:
        raise LabelsRefused(
            f"The labels file {_shown(path)} has over {_MOST_BYTES // 1024**2} MiB. "
            "Check TOPFIVE_LABELS (--labels)."
        )
    try:
        # Editors on Windows begin a text file with a byte order mark.
        return parse_labels(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise LabelsRefused(
            f"The labels file {_shown(path)} cannot be read: it is not UTF-8 text."
        ) from error


def parse_labels(text: str) -> tuple[str, ...]:
    """Read names, one a line; raises LabelsRefused if there is none, or a wrong one."""
    labels = tuple(line.strip() for line in text.splitlines())
    if not labels:
        raise LabelsRefused("The labels file is empty. It needs one class name a line.")
    if "" in labels:
        raise LabelsRefused(
            f"The labels file has no name in line {labels.index('') + 1}. "
            "It needs one class name a line, and no empty lines."
        )
    for number, label in enumerate(labels, 1):
        if _CONTROL.search(label):
            raise LabelsRefused(f"The labels file has a control character in line {number}.")
    return labels


def require_count(labels: tuple[str, ...], classes: int) -> None:
    """Do nothing if there is a name for each class; raises LabelsRefused otherwise."""
    if len(labels) != classes:
        names = "1 name" if len(labels) == 1 else f"{len(labels)} names"
        raise LabelsRefused(
            f"The labels file has {names} for {classes} classes. It needs one line for each class, "
            "in the order of the model's outputs."
        )


def repeated_labels(labels: tuple[str, ...]) -> list[str]:
    """List the names that more than one class has."""
    return [name for name, count in Counter(labels).items() if count > 1]


def format_labels(labels: tuple[str, ...]) -> str:
    """Write names as a labels file."""
    return "".join(f"{label}\n" for label in labels)


def hash_labels(labels: tuple[str, ...]) -> str:
    """Compute the sha256, in hex, of the labels file that a bundle of these names holds."""
    return hashlib.sha256(format_labels(labels).encode()).hexdigest()


def _shown(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 100 else f"…{text[-99:]}"
