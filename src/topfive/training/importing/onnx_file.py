"""An ONNX file, looked at as data before any library makes a graph of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from topfive.training.importing.external_data import find_data_files
from topfive.training.importing.model_file import ModelFile
from topfive.training.importing.refusals import refuse

# Protobuf, in which the file is written, ends there.
_MOST_BYTES = 2**31 - 1
# The operators of ONNX itself, and those that onnxruntime adds to it, some of which OpenVINO knows.
_OWN_DOMAINS = ("", "ai.onnx")
_RUNTIME_DOMAIN = "com.microsoft"
_NAMES_SHOWN = 3


def open_onnx(path: Path) -> ModelFile:
    """Look at an ONNX file and what lies beside it; nothing in it is run.

    Raises WeightsRefused if it is damaged, of a later ONNX, has custom operators, or its data lie
    outside its folder or are not there.
    """
    model = read_proto(path)
    _require_known_versions(path, model)
    messages = list(_walk(model))
    _require_text(path, messages)
    _refuse_custom_operators(path, model, messages)
    tensors = [one for one in messages if isinstance(one, onnx.TensorProto)]
    return ModelFile(path, "onnx", (path, *find_data_files(path, tensors)))


def read_proto(path: Path) -> Any:
    """Read an ONNX file without the data that lie beside it.

    Raises WeightsRefused if it is too large or damaged.
    """
    size_bytes = path.stat().st_size
    if size_bytes > _MOST_BYTES:
        raise refuse(
            path,
            f"has {size_bytes:,} bytes, and an ONNX file ends at {_MOST_BYTES:,}: larger models "
            "have their weights in files beside it.",
        )
    try:
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise refuse(path, "is damaged or cut off: it cannot be read as ONNX.") from error
    if not (model.ir_version and model.graph.node):
        raise refuse(path, "is damaged, or no ONNX: there is no graph in it.")
    return model


def _walk(message: Any) -> Iterator[Any]:
    """Give a message and all those in it, whatever they belong to."""
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if field.is_repeated else (value,):
                yield from _walk(one)


def _require_text(path: Path, messages: list[Any]) -> None:
    """Refuse names that are no UTF-8, which protobuf lets pass."""
    for message in messages:
        for field, value in message.ListFields():
            if field.type == field.TYPE_STRING:
                values = value if field.is_repeated else (value,)
                if any(isinstance(one, bytes) for one in values):
                    raise refuse(path, f"is damaged: {field.full_name} in it is no text.")


def _require_known_versions(path: Path, model: Any) -> None:
    known = onnx.defs.onnx_opset_version()
    versions = [one.version for one in model.opset_import if one.domain in _OWN_DOMAINS]
    if not versions:
        raise refuse(path, "does not say of which opset it is: export it again.")
    if max(versions) > known or model.ir_version > onnx.IR_VERSION:
        raise refuse(
            path,
            f"is of a later ONNX (opset {max(versions)}, IR version {model.ir_version}) than is "
            f"known here (opset {known}, IR version {onnx.IR_VERSION}): export it with an earlier "
            "opset, such as 17.",
        )


def _refuse_custom_operators(path: Path, model: Any, messages: list[Any]) -> None:
    functions = {(one.domain, one.name) for one in model.functions}
    nodes = (one for one in messages if isinstance(one, onnx.NodeProto))
    used = {(one.domain, one.op_type) for one in nodes} - functions
    custom = sorted(
        f"{domain}.{name}".removeprefix(".")
        for domain, name in used
        if domain != _RUNTIME_DOMAIN
        and not onnx.defs.has(name, "" if domain in _OWN_DOMAINS else domain)
    )
    if custom:
        more = f" and {len(custom) - _NAMES_SHOWN} more" if len(custom) > _NAMES_SHOWN else ""
        raise refuse(
            path,
            f"has operators that are not ONNX's own: {', '.join(custom[:_NAMES_SHOWN])}{more}. "
            "Nothing here knows what they do: export the model without them.",
        )
