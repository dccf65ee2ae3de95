"""What a model says of the golden inputs, by a library other than the one that serves.

That is onnxruntime for ONNX. OpenVINO's IR is read by nothing else, so there it is OpenVINO in f32
on the graph as it was given: that tells whether the bundle's graph takes pictures as it should, and
what a processor's precision does to it, and not whether OpenVINO computes rightly.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from topfive.engines.quiet_openvino import openvino as ov
from topfive.training.importing.graph import Scores, end_at
from topfive.training.importing.refusals import cause_of, refuse

Numbers = NDArray[np.float32]


class Reference(Protocol):
    """A library that computes a model's file as it is."""

    @property
    def name(self) -> str:
        """The library and its version."""
        ...

    @property
    def known_names(self) -> frozenset[str] | None:
        """The names by which it knows places of the graph; None if it needs none."""
        ...

    def ask(self, values: NDArray[Any], scores: Scores, classes: int) -> Numbers:
        """Compute the scores of values as the model takes them: (inputs, classes).

        Raises WeightsRefused if it cannot.
        """
        ...


class OpenVinoReference:
    """OpenVINO in f32, on the graph as it was given, but for its shape."""

    known_names = None

    def __init__(self, path: Path, graph: Any) -> None:
        self.name = f"openvino {ov.get_version().split('-')[0]}"
        self._path = path
        self._graph = graph

    def ask(self, values: NDArray[Any], scores: Scores, classes: int) -> Numbers:
        """Compute the scores of values as the model takes them: (inputs, classes)."""
        return ask_openvino(self._path, end_at(self._graph, scores.output, classes), values)


def ask_openvino(path: Path, graph: Any, values: NDArray[Any]) -> Numbers:
    """Have OpenVINO compute a graph in f32, one input at a time: (inputs, classes).

    Raises WeightsRefused, naming the file `path`, if it cannot.
    """
    try:
        compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return np.stack([np.array(compiled([one])[0][0]) for one in values[:, np.newaxis]])
    except RuntimeError as error:
        raise refuse(path, f"cannot be computed by OpenVINO: {cause_of(error)}") from error
