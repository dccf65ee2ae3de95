"""Which pictures got no classes, by their failure's code, and what can be done about it."""

from dataclasses import dataclass, field
from typing import Any

from topfive.errors import FAILURES

_MOST_EXAMPLES = 5
# What is not a failure of the API's.
UNREADABLE = "unreadable_file"
_MEANINGS = {UNREADABLE: "The file could not be read."}
ADVICE = {
    "empty_file": "Copy the files anew; they have no content.",
    "unsupported_format": "Leave them out, or save them as JPEG or PNG. HEIC needs "
    "requirements-heic.txt.",
    "invalid_image": "Open them in a program for pictures and save them again; most are cut off.",
    "file_too_large": "Save them smaller, or set TOPFIVE_MAX_UPLOAD_BYTES for a new run.",
    "image_too_large": "Scale them down, or set TOPFIVE_MAX_PIXELS for a new run.",
    "out_of_memory": "Give the workers more memory, or run fewer at once with --actors.",
    "internal_error": "Classify one with `topfive classify` to see why.",
    UNREADABLE: "See that they are there and may be read; detail in the results says why.",
}


@dataclass(slots=True)
class CountedFailure:
    """One failure's code, how many pictures had it, and the first of them with its sentence."""

    code: str
    pictures: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def meaning(self) -> str:
        """What it means, in a sentence."""
        failure = FAILURES.get(self.code)
        return failure.title if failure else _MEANINGS.get(self.code, "")

    @property
    def advice(self) -> str:
        """What can be done, in a sentence; empty where nothing is known."""
        return ADVICE.get(self.code, "")


class FailureTally:
    """Counts failures by their code, and keeps a few examples of each."""

    def __init__(self) -> None:
        self._failures: dict[str, CountedFailure] = {}

    def add(self, batch: Any) -> None:
        """Take in a batch of rows, as `columns` has them."""
        for counted in batch["error"].value_counts().to_pylist():
            code = counted["values"]
            if code:
                failure = self._failures.setdefault(code, CountedFailure(code))
                failure.pictures += counted["counts"]
                if len(failure.examples) < _MOST_EXAMPLES:
                    _add_examples(failure, batch)

    def most_frequent(self) -> list[CountedFailure]:
        """List all failures, the most frequent first."""
        return sorted(self._failures.values(), key=lambda one: (-one.pictures, one.code))

    @property
    def pictures(self) -> int:
        """How many pictures got no classes."""
        return sum(one.pictures for one in self._failures.values())


def _add_examples(failure: CountedFailure, batch: Any) -> None:
    """Take the first rows of a failure as examples, until there are enough."""
    codes = batch["error"].to_pylist()
    rows = (row for row, code in enumerate(codes) if code == failure.code)
    for row in rows:
        if len(failure.examples) == _MOST_EXAMPLES:
            return
        failure.examples.append((batch["path"][row].as_py(), batch["detail"][row].as_py()))
