"""Requests for inference, as a client writes them."""

import json
from typing import Any

import numpy as np

from topfive.api.open_inference.wire import InferRequest, read_request


def body_of(tensor: dict[str, Any], binary: bytes = b"", **more: Any) -> tuple[bytes, str]:
    """Write a body with one input, and what its header says of the JSON's length."""
    text = json.dumps({"inputs": [tensor], **more}).encode()
    return text + binary, str(len(text))


def image(data: list[Any], shape: list[int] | None = None, **parameters: Any) -> dict[str, Any]:
    """Write an input of encoded pictures in JSON."""
    return {
        "name": "image",
        "shape": shape or [len(data)],
        "datatype": "BYTES",
        "data": data,
        "parameters": parameters,
    }


def image_bytes(data: bytes, shape: list[int], **parameters: Any) -> tuple[bytes, str]:
    """Write a body whose encoded pictures come behind its JSON."""
    tensor = {"name": "image", "shape": shape, "datatype": "BYTES"}
    return body_of(tensor | {"parameters": {"binary_data_size": len(data)} | parameters}, data)


def pixels(data: Any, shape: list[int], datatype: str = "UINT8", **more: Any) -> dict[str, Any]:
    """Write an input of pixels in JSON."""
    return {"name": "pixels", "shape": shape, "datatype": datatype, "data": data, **more}


def pixel_bytes(values: np.ndarray, shape: list[int] | None = None) -> tuple[bytes, str]:
    """Write a body whose pixels come behind its JSON, in the type that the values have."""
    data = values.tobytes()
    tensor = {
        "name": "pixels",
        "shape": shape or list(values.shape),
        "datatype": "UINT8" if values.dtype == np.uint8 else "FP32",
        "parameters": {"binary_data_size": len(data)},
    }
    return body_of(tensor, data)


def reading(body: bytes, length: str | None = None) -> InferRequest:
    """Read a body."""
    return read_request(body, length)
