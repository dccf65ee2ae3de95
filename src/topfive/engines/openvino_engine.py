"""OpenVINO on the CPU: the engine that serves by default."""

from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.engines.contract import SIMULATED_INT8, EngineSource, FeaturedLogits
from topfive.engines.quiet_openvino import openvino as ov
from topfive.errors import EngineRefused

# An int8 graph has no use for bf16: what it does not compute in int8 takes no time.
_PRECISION_HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32", SIMULATED_INT8: "f32"}
_OF_INT8_GRAPH = ("int8", SIMULATED_INT8)


class _Slot:
    """An infer request, and the memory that it reads and writes.

    Handing it arrays for each picture takes the library's Python code longer than copying does.
    """

    def __init__(self, request: Any, features_output: str) -> None:
        self._request = request
        self._pixels = request.get_input_tensor().data
        self._logits = request.get_output_tensor(0).data
        self._features: Any = request.get_tensor(features_output).data if features_output else None

    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        np.copyto(self._pixels, pixels)
        self._request.infer(share_outputs=True)
        logits: NDArray[np.float32] = self._logits[0].astype(np.float32)
        return logits

    def features(self) -> NDArray[np.float32]:
        """Copy the features of the picture that was scored last."""
        features: NDArray[np.float32] = self._features[0].astype(np.float32)
        return features


class OpenVinoEngine:
    """One compiled graph with one infer request per slot."""

    name = "openvino"
    device = "cpu"

    def __init__(
        self, compiled: Any, precision: str, slots: int, features_output: str = ""
    ) -> None:
        self.precision = precision
        self._slots: LifoQueue[_Slot] = LifoQueue()
        for _ in range(slots):
            self._slots.put(_Slot(compiled.create_infer_request(), features_output))

    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        slot = self._slots.get()
        try:
            return slot.infer(pixels)
        finally:
            self._slots.put(slot)

    def infer_with_features(self, pixels: NDArray[np.uint8]) -> FeaturedLogits:
        """Score the same pixels, and give the features too."""
        slot = self._slots.get()
        try:
            return FeaturedLogits(slot.infer(pixels), slot.features())
        finally:
            self._slots.put(slot)

    def close(self) -> None:
        """Drop the infer requests, and with them the compiled graph."""
        while not self._slots.empty():
            self._slots.get()


def open_openvino_engine(source: EngineSource, precision: str, slots: int) -> OpenVinoEngine:
    """Compile a bundle's graph for `slots` inferences at once, one thread each.

    It gives features where the source names their output, else logits alone.
    Raises EngineRefused if the precision is unknown here or the graph cannot be compiled.
    """
    graph_file = _graph_file(source, precision)
    try:
        core = ov.Core()
        graph = core.read_model(graph_file)
        if not source.features_output:
            _drop_features(graph)
        compiled = core.compile_model(graph, "CPU", _compile_options(precision, slots))
    except RuntimeError as error:
        raise EngineRefused(
            f"OpenVINO cannot load {graph_file}: {error}",
            public="OpenVINO cannot load its graph, which is damaged or made for a newer version.",
        ) from error
    takes = tuple(compiled.input(0).shape)
    if takes != (1, source.side, source.side, 3):
        raise EngineRefused(
            f"The graph {graph_file} takes {takes}, not pictures of side {source.side}."
        )
    _check_features(compiled, source)
    # On a CPU without bf16 OpenVINO computes in f32, whatever it was asked for.
    computes_in = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    is_int8 = precision in _OF_INT8_GRAPH
    return OpenVinoEngine(
        compiled, precision if is_int8 else computes_in, slots, source.features_output
    )


def _graph_file(source: EngineSource, precision: str) -> Path:
    graph_file = source.int8_graph_file if precision in _OF_INT8_GRAPH else source.graph_file
    if graph_file is None or precision not in _PRECISION_HINTS:
        raise EngineRefused(
            f"The openvino engine has no {precision} graph in this bundle. "
            "Set TOPFIVE_PRECISION to one of: auto, f32, bf16."
        )
    return graph_file


def _drop_features(graph: Any) -> None:
    """Leave the logits as the only output: what nobody asks for need not be written."""
    for result in graph.get_results()[1:]:
        graph.remove_result(result)


def _check_features(compiled: Any, source: EngineSource) -> None:
    names = {name for output in compiled.outputs for name in output.get_names()}
    if source.features_output and source.features_output not in names:
        raise EngineRefused(
            f"The graph {source.graph_file} has no output {source.features_output!r}, from which "
            "its bundle says that heatmaps are made.",
            public="its graph lacks the output that heatmaps are made from.",
        )


def _compile_options(precision: str, slots: int) -> dict[str, str]:
    simulation = {"LP_TRANSFORMS_MODE": "NO"} if precision == SIMULATED_INT8 else {}
    return simulation | {
        "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        "NUM_STREAMS": str(slots),
        "INFERENCE_NUM_THREADS": str(slots),
        # Several workers share the cores: pinned threads would all sit on the first ones.
        "ENABLE_CPU_PINNING": "NO",
    }
