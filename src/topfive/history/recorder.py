"""Who takes down what was predicted, and the twin that does not."""

from typing import Protocol

from topfive.history.records import PredictionRecord


class Recorder(Protocol):
    """Takes predictions down in the background; safe to call from many threads."""

    @property
    def is_on(self) -> bool:
        """Whether anything is taken down."""

    @property
    def waiting(self) -> int:
        """How many predictions are taken down and not written yet."""

    def note(self, record: PredictionRecord) -> None:
        """Take a prediction down; it waits for nobody and never fails."""

    def close(self) -> None:
        """Write what was accepted, for as long as that may take, and begin nothing more."""


class NoRecorder:
    """Stands in where no history is kept."""

    is_on = False
    waiting = 0

    def note(self, record: PredictionRecord) -> None:
        """Forget it."""

    def close(self) -> None:
        """Have nothing to write."""
