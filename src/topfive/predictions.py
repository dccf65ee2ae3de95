"""The values that travel from a classifier to its caller; all frozen, none knows HTTP."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID


class CacheUse(Enum):
    """What a caller lets a cache do for a prediction."""

    ALLOWED = "allowed"
    REFRESH = "refresh"  # kept, but not answered from what is kept
    NONE = "none"


class CacheStatus(Enum):
    """What a cache did for a prediction."""

    NONE = "none"  # there is no cache
    HIT = "hit"
    COLLAPSED = "collapsed"  # the same picture was at work, and its answer was waited for
    STORED = "stored"
    MISS = "miss"  # and its answer could not be kept
    BYPASSED = "bypassed"

    @property
    def is_repeated(self) -> bool:
        """Whether the answer was found for somebody else."""
        return self in (CacheStatus.HIT, CacheStatus.COLLAPSED)


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """What is asked of a prediction.

    Without a model, or with an alias in its place, a route chooses: for the same `route_key` the
    same. With `explains` a heatmap is wanted. With `only_cached` it is not computed.
    """

    top_k: int = 5
    model: str | None = None
    version: str | None = None
    route_key: str = ""
    explains: bool = False
    cache_use: CacheUse = CacheUse.ALLOWED
    only_cached: bool = False


STANDARD_OPTIONS = PredictionOptions()


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class and the probability the model gives it (0 to 1)."""

    class_id: int
    class_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the uploaded picture is: its format and its size in pixels, upright."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model answered."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in milliseconds."""

    queue_ms: float
    decode_ms: float
    preprocess_ms: float
    inference_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Where in the upright picture a class was seen: a grayscale PNG of `width` x `height` pixels.

    It has the picture's aspect ratio, and is brighter where more of the class was seen.
    """

    class_id: int
    width: int
    height: int
    png: bytes = field(repr=False)


class PictureHash:
    """The SHA-256 of a picture's bytes, computed when it is first asked for."""

    __slots__ = ("_data", "_digest")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._digest = b""

    def digest(self) -> bytes:
        """Give its 32 bytes; the picture is let go of then."""
        if not self._digest:
            self._digest = hashlib.sha256(self._data).digest()
            self._data = b""
        return self._digest


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """The request that a prediction answers: its id, its HTTP route as it is declared, and the
    beginning of its API key's digest; empty without a key.
    """

    request_id: str
    route: str
    key_id: str = ""


def do_nothing() -> None:
    """Follow up on nothing."""


def record_nowhere(_answered: AnsweredRequest, _position: int) -> None:
    """Record nothing."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely classes of one picture, best first; `is_degraded` if a stand-in answered.

    `follow_up` is called once the answer is made. Where a history is kept it has an `id`, and
    `record` takes it down as the answer to a picture of a request, counted from 0.
    """

    model: ModelRef
    classes: tuple[ClassScore, ...]
    image: ImageInfo
    timings: Timings
    is_degraded: bool = False
    heatmap: Heatmap | None = None
    cache: CacheStatus = CacheStatus.NONE
    follow_up: Callable[[], None] = field(default=do_nothing, compare=False, repr=False)
    id: UUID | None = field(default=None, compare=False)
    record: Callable[[AnsweredRequest, int], None] = field(
        default=record_nowhere, compare=False, repr=False
    )
