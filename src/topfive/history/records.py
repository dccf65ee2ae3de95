"""What is kept of a prediction; all frozen, and none holds a picture."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID

from topfive.predictions import CacheStatus, ClassScore, Timings

# Of the classes of a prediction so many are kept, also where fewer were asked for.
KEPT_CLASSES = 5


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """A version of a model, by its bundle's digest, with the names of its classes."""

    name: str
    version: str
    digest: str
    classes: tuple[str, ...] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One prediction as it was made.

    `id` begins with its time, so that ids are in the order of time. `position` counts from 0 the
    pictures of one request. `picture_sha256` has 32 bytes, and is None where prepared pixels were
    sent in place of a picture. `route` is the HTTP route, `alias` the model route that chose the
    model; empty: none did. `classes` are the KEPT_CLASSES most likely, best first. `key_id` is
    the beginning of the API key's digest; empty without one.
    """

    id: UUID
    at: datetime
    request_id: str
    position: int
    picture_sha256: bytes | None
    model: RecordedModel
    route: str
    alias: str
    classes: tuple[ClassScore, ...]
    timings: Timings
    cache: CacheStatus
    is_degraded: bool
    key_id: str


class LabelSource(Enum):
    """Who says what a picture shows."""

    PERSON = "person"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Label:
    """What a picture really shows, as it was told at `at`.

    `rank` is the place of that class among the kept ones, from 1; None: it is not among them.
    """

    class_id: int
    class_name: str
    source: LabelSource
    at: datetime
    rank: int | None


@dataclass(frozen=True, slots=True)
class KeptPrediction:
    """One prediction as the history has it, and its label where there is one."""

    record: PredictionRecord
    label: Label | None = None
