"""What an engine is: plain arrays in, plain arrays out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# What an int8 graph gives where its steps of 8 bits are computed in f32, as any CPU can: nothing
# serves so, but other computations of it are held against it.
SIMULATED_INT8 = "int8, in f32"


@dataclass(frozen=True, slots=True)
class EngineSource:
    """Where a model's graph and weights lie, and what an engine must know to run them.

    `side` is the input's width and height in pixels; mean and std are per RGB channel (0 to 1).
    `weights_file` holds torch's weights; None where a model was imported as a graph alone.
    `features_output` names the graph's output of features; empty where it has none, or they are not
    wanted.
    `int8_graph_file` is the same graph in int8, where there is one.
    """

    architecture: str
    architecture_options: Mapping[str, float]
    classes: int
    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    graph_file: Path
    weights_file: Path | None
    features_output: str = ""
    int8_graph_file: Path | None = None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Which engine and precision to use (`auto` chooses), and how many inferences run at once.

    `batch_slots` may run at once where a batch has the CPUs for itself.
    """

    engine: str = "auto"
    precision: str = "auto"
    slots: int = 1
    batch_slots: int = 1


@dataclass(frozen=True, slots=True)
class EngineCandidate:
    """One engine and precision worth trying, with the reason why.

    What `must_be_faster` serves only where it was measured to be faster than the next that can.
    """

    engine: str
    precision: str
    reason: str = field(compare=False)
    must_be_faster: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class RefusedEngine:
    """An engine and precision that do not serve; `reason` is public, `detail` is for the log."""

    engine: str
    precision: str
    reason: str
    detail: str


class FeaturedLogits(NamedTuple):
    """Logits (classes,), and the features that they are pooled from: (height, width, channels)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Engine(Protocol):
    """A loaded model. As many threads as there are slots may have it infer at once."""

    @property
    def name(self) -> str:
        """The engine's name, as in settings."""
        ...

    @property
    def precision(self) -> str:
        """The precision it really computes in, such as `f32` or `bf16`."""
        ...

    @property
    def device(self) -> str:
        """What it runs on: `cpu` or `cuda`."""
        ...

    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        ...

    def infer_with_features(self, pixels: NDArray[np.uint8]) -> FeaturedLogits:
        """Score the same pixels, and give the features too.

        Not to be called where the source names no output of features. Raises EngineRefused where
        those found now for the first time are not the reference's.
        """
        ...

    def close(self) -> None:
        """Give the model's memory back; nothing must not be called afterwards."""
        ...
