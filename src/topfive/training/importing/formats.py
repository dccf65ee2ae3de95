"""Which module reads which format; what needs an extra is imported only here."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from topfive.errors import WeightsRefused
from topfive.training.importing.model_file import ModelFile, tell_kind
from topfive.training.importing.openvino_file import open_openvino
from topfive.training.importing.reference import OpenVinoReference, Reference


def open_model_file(path: Path) -> ModelFile:
    """Look at a model's file without loading it; raises WeightsRefused where it cannot be one."""
    if tell_kind(path) == "openvino":
        return open_openvino(path)
    _require_onnx()
    from topfive.training.importing.onnx_file import open_onnx  # noqa: PLC0415 - of an extra

    return open_onnx(path)


def open_reference(file: ModelFile, graph: Any) -> Reference:
    """Open what says how a model must answer; `graph` is what OpenVINO has made of its file."""
    if file.kind == "openvino":
        return OpenVinoReference(file.path, graph)
    from topfive.training.importing.onnx_reference import (  # noqa: PLC0415 - of an extra
        OnnxRuntimeReference,
    )

    return OnnxRuntimeReference(file.path)


def _require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise WeightsRefused(
            f"ONNX files cannot be imported without {' and '.join(missing)}, which is not "
            "installed. Install requirements-onnx.txt."
        )
