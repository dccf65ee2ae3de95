"""The values that travel from a classifier to its caller; all frozen, none knows HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, field


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


def do_nothing() -> None:
    """Follow up on nothing."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely classes of one picture, best first; `is_degraded` if a stand-in answered.

    `follow_up` is called once the answer is on its way.
    """

    model: ModelRef
    classes: tuple[ClassScore, ...]
    image: ImageInfo
    timings: Timings
    is_degraded: bool = False
    follow_up: Callable[[], None] = field(default=do_nothing, compare=False, repr=False)
