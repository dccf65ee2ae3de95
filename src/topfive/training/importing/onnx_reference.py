"""onnxruntime, which computes an ONNX file in f32 as it stands."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from topfive.training.importing.graph import Scores
from topfive.training.importing.onnx_file import read_proto
from topfive.training.importing.reference import Numbers
from topfive.training.importing.refusals import cause_of, refuse

_FAILURES = (
    errors.EPFail,
    errors.EngineError,
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoSuchFile,
    errors.NotImplemented,
    errors.RuntimeException,
    RuntimeError,
    ValueError,
)
_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
_FATAL_ALONE = 4


class OnnxRuntimeReference:
    """onnxruntime on the CPU, with none of its optimisations."""

    def __init__(self, path: Path) -> None:
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._path = path
        self._model = read_proto(path)
        self.known_names: frozenset[str] | None = frozenset(
            name for node in self._model.graph.node for name in node.output
        )

    def ask(self, values: NDArray[Any], scores: Scores, classes: int) -> Numbers:
        """Compute the scores of values as the model takes them: (inputs, classes)."""
        try:
            session = self._open(scores.name)
            (takes,) = session.get_inputs()
            batch = takes.shape[0] if isinstance(takes.shape[0], int) else 1
            answers = [
                session.run([scores.name], {takes.name: np.repeat(one, batch, axis=0)})[0]
                for one in values[:, np.newaxis]
            ]
            return np.stack([one.astype(np.float32).reshape(batch, classes)[0] for one in answers])
        except _FAILURES as error:
            raise refuse(
                self._path, f"cannot be computed by onnxruntime: {cause_of(error)}"
            ) from error

    def _open(self, name: str) -> Any:
        """Open a session that gives the numbers called `name`, also where the file does not."""
        given = {one.name for one in self._model.graph.output}
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        if name not in given:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ALONE
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry(_DATA_FOLDER, str(self._path.parent.resolve()))
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
