"""OpenVINO on the CPU: the engine that serves by default."""

from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.engines.contract import EngineSource
from topfive.engines.quiet_openvino import openvino as ov
from topfive.errors import EngineRefused

_PRECISION_HINTS = {"f32": "f32", "bf16": "bf16"}


class OpenVinoEngine:
    """One compiled graph with one infer request per slot."""

    name = "openvino"
    device = "cpu"

    def __init__(self, compiled: Any, precision: str, slots: int) -> None:
        self.precision = precision
        self._requests: LifoQueue[Any] = LifoQueue()
        for _ in range(slots):
            self._requests.put(compiled.create_infer_request())

    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        request = self._requests.get()
        try:
            outputs = request.infer({0: pixels}, share_inputs=True, share_outputs=True)
            logits: NDArray[np.float32] = np.array(outputs[0][0], dtype=np.float32)
            return logits
        finally:
            self._requests.put(request)

    def close(self) -> None:
        """Drop the infer requests, and with them the compiled graph."""
        while not self._requests.empty():
            self._requests.get()


def open_openvino_engine(source: EngineSource, precision: str, slots: int) -> OpenVinoEngine:
    """Compile a bundle's graph for `slots` inferences at once, one thread each.

    Raises EngineRefused if the precision is unknown here or the graph cannot be compiled.
    """
    if precision not in _PRECISION_HINTS:
        raise EngineRefused(
            f"The openvino engine has no {precision} graph in this bundle. "
            f"Set TOPFIVE_PRECISION to one of: auto, {', '.join(_PRECISION_HINTS)}."
        )
    try:
        compiled = ov.Core().compile_model(
            str(source.graph_file), "CPU", _compile_options(precision, slots)
        )
    except RuntimeError as error:
        raise EngineRefused(
            f"OpenVINO cannot load {source.graph_file}: {error}",
            public="OpenVINO cannot load its graph, which is damaged or made for a newer version.",
        ) from error
    takes = tuple(compiled.input(0).shape)
    if takes != (1, source.side, source.side, 3):
        raise EngineRefused(
            f"The graph {source.graph_file} takes {takes}, not pictures of side {source.side}."
        )
    # On a CPU without bf16 OpenVINO computes in f32, whatever it was asked for.
    computes_in = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return OpenVinoEngine(compiled, computes_in, slots)


def _compile_options(precision: str, slots: int) -> dict[str, str]:
    return {
        "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        "NUM_STREAMS": str(slots),
        "INFERENCE_NUM_THREADS": str(slots),
        # Several workers share the cores: pinned threads would all sit on the first ones.
        "ENABLE_CPU_PINNING": "NO",
    }
