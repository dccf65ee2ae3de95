"""Small classifiers of other formats: how they are written, and what they must answer."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from topfive.engines.quiet_openvino import openvino as ov

SIDE = 32
LABELS = ("heron", "wren, small", "owl 🦉", "kite")
MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.25, 0.3)

_RANDOM = np.random.default_rng(5)
_KERNELS = (_RANDOM.standard_normal((8, 3, 3, 3)) / 3).astype(np.float32)
_ROWS = (_RANDOM.standard_normal((len(LABELS), 8)) * 4).astype(np.float32)
_BIAS = _RANDOM.standard_normal(len(LABELS)).astype(np.float32)

Node = onnx.NodeProto

_TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8}
_ENDINGS = {
    "logits": [],
    "softmax": [helper.make_node("Softmax", ["scores"], ["given"], axis=1)],
    "sigmoid": [helper.make_node("Sigmoid", ["scores"], ["given"])],
    # What some exporters write in place of a softmax.
    "shares": [
        helper.make_node("Exp", ["scores"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "axes"], ["sum"], keepdims=1),
        helper.make_node("Div", ["powers", "sum"], ["given"]),
    ],
}


def true_logits(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute with torch what the classifier gives for values of shape (n, 3, side, side)."""
    seen = functional.conv2d(torch.tensor(values), torch.tensor(_KERNELS), stride=2).relu()
    logits = seen.mean(dim=(2, 3)) @ torch.tensor(_ROWS).T + torch.tensor(_BIAS)
    return np.asarray(logits, np.float32)


def make_model(
    layout: str = "nchw",
    element: str = "f32",
    side: int | None = None,
    batch: int | None = None,
    ending: str = "logits",
    opset: int = 17,
) -> onnx.ModelProto:
    """Make the classifier as ONNX; without `side` it takes pictures of any size."""
    height, width, count = side or "height", side or "width", batch or "batch"
    shape = [count, 3, height, width] if layout == "nchw" else [count, height, width, 3]
    dtype = np.float16 if element == "f16" else np.float32
    nodes = [*_beginning(layout, element), *_middle(), *_ENDINGS[ending]]
    given = "given" if _ENDINGS[ending] else "scores"
    kind = _TYPES["f16" if element == "f16" else "f32"]
    graph = helper.make_graph(
        nodes,
        "birds",
        [helper.make_tensor_value_info("picture", _TYPES[element], shape)],
        [helper.make_tensor_value_info(given, kind, [count, len(LABELS)])],
        [*_weights(dtype), numpy_helper.from_array(np.array([1]), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def write_onnx(path: Path, **form: Any) -> Path:
    """Write the classifier as an ONNX file."""
    onnx.save(make_model(**form), path)
    return path


def write_with_data_beside(path: Path, location: str = "birds.data") -> Path:
    """Write the classifier with its weights in a second file."""
    onnx.save(
        make_model(),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=location,
        size_threshold=0,
    )
    return path


def change_location(path: Path, location: str) -> None:
    """Have an ONNX file say that all its weights lie somewhere else."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())


def write_openvino(path: Path, folder: Path, *, is_half: bool = False, **form: Any) -> Path:
    """Write the classifier as an OpenVINO IR, by way of an ONNX file in `folder`."""
    graph = ov.Core().read_model(write_onnx(folder / "before.onnx", **form))
    ov.save_model(graph, path, compress_to_fp16=is_half)
    return path


def write_labels(path: Path, names: tuple[str, ...] = LABELS) -> Path:
    """Write a file of class names."""
    path.write_text("".join(f"{name}\n" for name in names), "utf-8")
    return path


def _beginning(layout: str, element: str) -> list[Node]:
    """Bring what is given to (n, 3, height, width), called `values`."""
    nodes, name = [], "picture"
    if element == "u8":
        nodes.append(helper.make_node("Cast", [name], ["cast"], to=TensorProto.FLOAT))
        name = "cast"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [name], ["turned"], perm=[0, 3, 1, 2]))
        name = "turned"
    return [*nodes, helper.make_node("Identity", [name], ["values"])]


def _middle() -> list[Node]:
    return [
        helper.make_node("Conv", ["values", "kernels"], ["seen"], strides=[2, 2]),
        helper.make_node("Relu", ["seen"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "rows", "bias"], ["scores"], transB=1),
    ]


def _weights(dtype: Any) -> list[TensorProto]:
    weights = {"kernels": _KERNELS, "rows": _ROWS, "bias": _BIAS}
    return [numpy_helper.from_array(one.astype(dtype), name) for name, one in weights.items()]
