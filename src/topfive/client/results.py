"""What the service answers, as frozen values; keys and units are those of its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from topfive.client.errors import ClientError


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model answered."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class, and how sure the model is of it (0 to 1)."""

    class_id: int
    class_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The picture as it was understood: its format, and its size in pixels, upright."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the service's time went, in milliseconds."""

    queue: float
    decode: float
    inference: float
    total: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Where in the upright picture a class was seen.

    `png` is a grayscale PNG of `width` x `height` pixels, brightest where it was seen most.
    """

    class_id: int
    width: int
    height: int
    png: bytes


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely classes of one picture, best first; `degraded` if the fallback answered.

    `model` is None where the answer does not name it.
    """

    request_id: str
    model: ModelRef | None
    predictions: tuple[ClassScore, ...]
    image: ImageInfo
    timing_ms: Timings
    degraded: bool = False
    heatmap: Heatmap | None = None

    @property
    def best(self) -> ClassScore:
        """The most likely class."""
        return self.predictions[0]


@dataclass(frozen=True, slots=True)
class PictureResult:
    """What became of one picture of many: a prediction, or the error in its place.

    `index` counts the pictures that were given, from 0. `name` is the path of a file, as it was
    given, and empty for bytes.
    """

    index: int
    name: str
    outcome: Prediction | ClientError

    @property
    def prediction(self) -> Prediction | None:
        """The prediction, None where there is an error."""
        return self.outcome if isinstance(self.outcome, Prediction) else None

    @property
    def error(self) -> ClientError | None:
        """The error, None where there is a prediction."""
        return self.outcome if isinstance(self.outcome, ClientError) else None

    def get(self) -> Prediction:
        """Return the prediction, or raise the error."""
        if isinstance(self.outcome, ClientError):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can classify, and with what.

    `status` is `healthy`, `degraded` or `unavailable`; with `reason` where there is one.
    """

    status: str
    model_loaded: bool
    model: str
    model_version: str | None
    uptime_seconds: float
    timestamp: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """How one worker has a model; workers are counted from 1."""

    worker: int
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ModelState:
    """One version of a model, and how all workers together have it.

    `state` is `available`, `loading`, `ready`, `draining` or `failed`. `memory_bytes`, `engine` and
    `precision` are None while it is not loaded. `workers` is empty where all agree.
    """

    name: str
    version: str
    digest: str
    architecture: str
    num_classes: int
    state: str
    reason: str | None
    active: bool
    pinned: bool
    routes: tuple[str, ...]
    memory_bytes: int | None
    engine: str | None
    precision: str | None
    metrics: Mapping[str, float]
    workers: tuple[WorkerState, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a share of a route's requests goes; `version` None means the active one."""

    model: str
    version: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Shadow:
    """What classifies a route's pictures too, after the answer."""

    model: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Rollback:
    """A target that was taken off its route by the service itself."""

    model: str
    version: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Route:
    """What an alias leads to, and what was taken off it."""

    targets: tuple[Target, ...]
    shadow: Shadow | None
    rolled_back: tuple[Rollback, ...]


@dataclass(frozen=True, slots=True)
class Models:
    """All known models and routes; `settled`: every worker has reached the generation."""

    generation: int
    settled: bool
    models: tuple[ModelState, ...]
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service takes: bytes of one picture, and pictures and bytes of one batch.

    A service that takes no batches has 0 for both.
    """

    max_upload_bytes: int
    batch_max_pictures: int
    batch_max_bytes: int


@dataclass(frozen=True, slots=True)
class BatchHead:
    """What holds for all results of a batch, and stands in none of them.

    `quota_reset_s` is in how many seconds the caller's quota is new, where there is one.
    """

    request_id: str = ""
    model: ModelRef | None = None
    degraded: bool = False
    quota_reset_s: float | None = None
