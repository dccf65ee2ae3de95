"""What live accuracy and drift are measured on: numbers alone, and the twin without any."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from topfive.errors import NotFound
from topfive.history.contract import HISTORY_IS_OFF
from topfive.history.records import RecordedModel

_Integers = NDArray[np.int64]
_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KeptReference:
    """What a version's first predictions were, counted: by class id, and over bins of confidence.

    `last_ms` is when the last of them was made, Unix time in milliseconds.
    """

    class_counts: Mapping[int, int]
    confidence_counts: tuple[int, ...]
    mean_confidence: float
    last_ms: int


@dataclass(frozen=True, slots=True)
class ObservedModel:
    """A version that predictions are kept of; `key` is the history's own number of it.

    `reference` is None until one is kept.
    """

    key: int
    model: RecordedModel
    reference: KeptReference | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From when, included, until when, not included; Unix time in milliseconds, None: no bound."""

    since_ms: int | None = None
    until_ms: int | None = None


ALWAYS = Span()


@dataclass(frozen=True, slots=True)
class Predicted:
    """When predictions were made, Unix time in ms, their classes and confidences, each (n,)."""

    at_ms: _Integers
    class_ids: _Integers
    confidences: _Numbers

    def __len__(self) -> int:
        return len(self.at_ms)


@dataclass(frozen=True, slots=True)
class Labelled:
    """When labelled predictions were made, Unix time in ms, and their confidences, each (n,).

    `ranks`, (n,), are the true class's places among the kept ones, from 1; 0: it is not there.
    """

    at_ms: _Integers
    confidences: _Numbers
    ranks: _Integers

    def __len__(self) -> int:
        return len(self.at_ms)


class Observations(Protocol):
    """Reads what was predicted as arrays; every call raises HistoryUnavailable where it cannot."""

    @property
    def is_on(self) -> bool:
        """Whether a history is kept."""

    def models(self, name: str | None = None) -> tuple[ObservedModel, ...]:
        """List the versions of a name, or of all names, of which predictions are kept.

        The one with the newest prediction comes first.
        """

    def labelled(self, key: int, most: int, span: Span = ALWAYS) -> Labelled:
        """Give at most so many labelled predictions of a version, the newest, newest first."""

    def newest(self, key: int, most: int, span: Span = ALWAYS) -> Predicted:
        """Give at most so many predictions of a version, the newest, newest first."""

    def oldest(self, key: int, most: int) -> Predicted:
        """Give at most so many predictions of a version, the oldest, oldest first."""

    def keep_reference(self, key: int, reference: KeptReference) -> None:
        """Keep a version's reference for ever, unless it has one."""


class NoObservations:
    """Stands in where no history is kept: every question is answered by NotFound."""

    is_on = False

    def models(self, name: str | None = None) -> tuple[ObservedModel, ...]:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def labelled(self, key: int, most: int, span: Span = ALWAYS) -> Labelled:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def newest(self, key: int, most: int, span: Span = ALWAYS) -> Predicted:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def oldest(self, key: int, most: int) -> Predicted:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def keep_reference(self, key: int, reference: KeptReference) -> None:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)
