"""How one worker has a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from topfive.predictions import ModelRef


class ModelState(StrEnum):
    """What becomes of a version of a model in one worker."""

    AVAILABLE = "available"
    LOADING = "loading"
    READY = "ready"
    # It is not handed out any more, and works until its last lease is back.
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One version of a model in one worker; only a failed one has a `reason`, which is public.

    `digest` is empty where the bundle is not here yet; `memory_bytes`, `engine` and `precision`
    are None where it is not loaded.
    """

    ref: ModelRef
    digest: str
    architecture: str
    num_classes: int
    state: ModelState
    reason: str | None = None
    is_active: bool = False
    is_pinned: bool = False
    memory_bytes: int | None = None
    engine: str | None = None
    precision: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
