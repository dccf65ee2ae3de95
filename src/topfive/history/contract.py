"""What can be asked of a history, and the twin that is asked where none is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from topfive.errors import NotFound
from topfive.history.records import KeptPrediction, LabelSource

MOST_ON_PAGE = 200

HISTORY_IS_OFF = "No history is kept here. Set TOPFIVE_HISTORY_URL, and start the service again."


class HistoryOrder(Enum):
    """Which predictions come first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LEAST_CONFIDENT = "least_confident"


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which predictions are meant: those to which all that is set applies.

    `since` is included, `until` is not. A class is named by its id or its name, and is the most
    likely one of a prediction; confidences are of that, both ends included.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    version: str | None = None
    class_id: int | None = None
    class_name: str | None = None
    least_confidence: float | None = None
    most_confidence: float | None = None
    is_labelled: bool | None = None
    request_id: str | None = None
    picture_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last prediction's id and, in that order, its confidence."""

    id: UUID
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which predictions to list, in which order, how many, and after which one."""

    only: HistoryFilter = field(default_factory=HistoryFilter)
    order: HistoryOrder = HistoryOrder.NEWEST
    limit: int = 50
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some predictions, and where the next page begins; None: there is none."""

    predictions: tuple[KeptPrediction, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """What somebody says a picture shows: a class by its id or by its name, exactly one of them."""

    source: LabelSource
    class_id: int | None = None
    class_name: str | None = None


class History(Protocol):
    """Tells what was predicted, and takes labels; safe to call from many threads.

    Every call raises HistoryUnavailable while the database does not answer.
    """

    @property
    def is_on(self) -> bool:
        """Whether a history is kept."""

    def list(self, query: HistoryQuery) -> HistoryPage:
        """Give one page."""

    def stream(self, query: HistoryQuery) -> Iterator[KeptPrediction]:
        """Give all predictions that are meant, whatever the query's limit, in bounded memory."""

    def find(self, prediction_id: UUID) -> KeptPrediction:
        """Give one prediction; raises NotFound."""

    def delete(self, prediction_id: UUID) -> None:
        """Delete a prediction and its label; raises NotFound."""

    def set_label(self, prediction_id: UUID, given: GivenLabel) -> KeptPrediction:
        """Say what a picture shows, in place of what was said before.

        Raises NotFound, and InvalidParameter for a class that the version does not have.
        """

    def remove_label(self, prediction_id: UUID) -> KeptPrediction:
        """Take a label back; raises NotFound for a prediction that is not there."""


class NoHistory:
    """Stands in where no history is kept: every question is answered by NotFound."""

    is_on = False

    def list(self, query: HistoryQuery) -> HistoryPage:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def stream(self, query: HistoryQuery) -> Iterator[KeptPrediction]:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def find(self, prediction_id: UUID) -> KeptPrediction:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def delete(self, prediction_id: UUID) -> None:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def set_label(self, prediction_id: UUID, given: GivenLabel) -> KeptPrediction:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def remove_label(self, prediction_id: UUID) -> KeptPrediction:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)
