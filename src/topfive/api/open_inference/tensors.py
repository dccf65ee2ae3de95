"""The one input of a request: encoded pictures as BYTES, or prepared pixels as UINT8 or FP32."""

from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.api.json_body import decode_base64
from topfive.api.open_inference.wire import (
    InferRequest,
    TensorIn,
    check_parameters,
    list_names,
)
from topfive.api.several import MOST_PICTURES
from topfive.errors import InvalidParameter

IMAGE, PIXELS = "image", "pixels"
Pixels = NDArray[np.uint8]

_DATATYPES = {IMAGE: ("BYTES",), PIXELS: ("UINT8", "FP32")}
# MLServer and KServe call it content_type.
_ENCODINGS = ("content_type", "binary_encoding")
_INPUT_PARAMETERS = ("binary_data_size", *_ENCODINGS)
_LENGTH_BYTES = 4
_DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
_NUMBERS = {"UINT8": frozenset({int}), "FP32": frozenset({int, float})}


def only_input(request: InferRequest) -> TensorIn:
    """Return the one input, with a name and a datatype that fit; raises InvalidParameter."""
    inputs = request.asked.inputs
    if len(inputs) != 1:
        raise InvalidParameter(f"Send one input, `{IMAGE}` or `{PIXELS}`, not {len(inputs)}.")
    (tensor,) = inputs
    check_parameters(tensor.parameters, _INPUT_PARAMETERS, "an input")
    datatypes = _DATATYPES.get(tensor.name)
    if datatypes is None:
        raise InvalidParameter(
            f"There is no input of that name. Send `{IMAGE}`, which is BYTES, or `{PIXELS}`, which "
            "is UINT8 or FP32."
        )
    if tensor.datatype not in datatypes:
        raise InvalidParameter(f"The input `{tensor.name}` is {' or '.join(datatypes)}.")
    if (tensor.data is None) == (tensor.name not in request.binary):
        raise InvalidParameter(
            f"The values of `{tensor.name}` must be either in `data`, or behind the JSON with "
            "`binary_data_size`."
        )
    return tensor


def read_pictures(request: InferRequest, tensor: TensorIn) -> list[bytes]:
    """Read encoded pictures, of shape [pictures] or [pictures, 1]; raises InvalidParameter.

    In JSON they are base64, since its texts cannot hold any bytes.
    """
    if len(tensor.shape) > 2 or tensor.shape[1:] not in ([], [1]):
        raise InvalidParameter(f"The shape of `{IMAGE}` is [pictures] or [pictures, 1].")
    count = _picture_count(tensor)
    is_base64 = _is_base64(request, tensor)
    if tensor.data is None:
        elements = _split(request.binary[IMAGE])
        texts = [one.decode("latin-1") for one in elements] if is_base64 else None
    else:
        texts = _texts(tensor.data)
        elements = []
    if texts is not None:
        elements = [decode_base64(one, f"`{IMAGE}[{n}]`") for n, one in enumerate(texts)]
    if len(elements) != count:
        raise InvalidParameter(f"`{IMAGE}` has {len(elements)} pictures; its shape says {count}.")
    return elements


def read_pixels(request: InferRequest, tensor: TensorIn) -> Pixels:
    """Read prepared pixels: RGB from 0 to 255, of shape [pictures, height, width, 3].

    FP32 is rounded to whole numbers, which models take. Raises InvalidParameter.
    """
    if len(tensor.shape) != 4 or tensor.shape[3] != 3:
        raise InvalidParameter(f"The shape of `{PIXELS}` is [pictures, height, width, 3].")
    if any(name in tensor.parameters for name in _ENCODINGS):
        raise InvalidParameter(f"`{PIXELS}` has no content type: it is numbers.")
    _picture_count(tensor)
    if tensor.data is None:
        values = _from_bytes(request.binary[PIXELS], tensor)
    else:
        values = _from_numbers(tensor.data, tensor)
    return _levels(values).reshape(tensor.shape)


def _picture_count(tensor: TensorIn) -> int:
    count = tensor.shape[0]
    if not 1 <= count <= MOST_PICTURES:
        raise InvalidParameter(
            f"`{tensor.name}` has 1 to {MOST_PICTURES} pictures a request, not {count}."
        )
    return count


def _is_base64(request: InferRequest, tensor: TensorIn) -> bool:
    """Tell whether base64 is named; raises InvalidParameter for another encoding."""
    given = tensor.parameters | request.asked.parameters
    named = [given[name] for name in _ENCODINGS if name in given]
    if any(one != "base64" for one in named):
        raise InvalidParameter(f"{list_names(_ENCODINGS)} can only be `base64`.")
    return bool(named)


def _texts(data: list[Any]) -> list[str]:
    # Of shape [pictures, 1] the values may be nested as the shape is.
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in data]
    if not all(isinstance(one, str) for one in flat):
        raise InvalidParameter(f"The values of `{IMAGE}` are texts: a picture's bytes in base64.")
    return flat


def _split(data: bytes) -> list[bytes]:
    """Split what is written as each element's length, 4 bytes little-endian, and its bytes."""
    elements: list[bytes] = []
    start = 0
    while start < len(data) and len(elements) <= MOST_PICTURES:
        begin = start + _LENGTH_BYTES
        end = begin + int.from_bytes(data[start:begin], "little")
        if end > len(data) or begin > len(data):
            raise InvalidParameter(
                f"The bytes of `{IMAGE}` are cut off: each picture comes after its length, 4 bytes "
                "little-endian."
            )
        elements.append(data[begin:end])
        start = end
    return elements


def _from_bytes(data: bytes, tensor: TensorIn) -> NDArray[Any]:
    dtype = _DTYPES[tensor.datatype]
    needed_bytes = prod(tensor.shape) * dtype.itemsize
    if len(data) != needed_bytes:
        raise InvalidParameter(
            f"`{PIXELS}` of shape {tensor.shape} in {tensor.datatype} has {needed_bytes} bytes, "
            f"not {len(data)}."
        )
    return np.frombuffer(data, dtype)


def _from_numbers(data: list[Any], tensor: TensorIn) -> NDArray[Any]:
    flat = _flatten(data, tensor.shape)
    if len(flat) != prod(tensor.shape):
        raise InvalidParameter(
            f"`{PIXELS}` of shape {tensor.shape} has {prod(tensor.shape)} values, not {len(flat)}."
        )
    if not set(map(type, flat)) <= _NUMBERS[tensor.datatype]:
        kind = "whole numbers" if tensor.datatype == "UINT8" else "numbers"
        raise InvalidParameter(f"The values of `{PIXELS}` in {tensor.datatype} are {kind}.")
    try:
        return np.array(flat, np.float64)
    except OverflowError:
        raise _out_of_range() from None


def _flatten(data: list[Any], shape: list[int]) -> list[Any]:
    """Bring nested lists of that shape into one; what is one already stays as it is."""
    if not data or not isinstance(data[0], list):
        return data
    fits = len(data) == shape[0]
    for length in shape[1:]:
        fits = fits and all(isinstance(row, list) and len(row) == length for row in data)
        if not fits:
            raise InvalidParameter(f"The lists of `{PIXELS}` are not nested as its shape says.")
        data = list(chain.from_iterable(data))
    return data


def _levels(values: NDArray[Any]) -> Pixels:
    if values.dtype == np.uint8:
        return values
    # Not-a-number is neither at least 0 nor at most 255.
    if not bool(((values >= 0) & (values <= 255)).all()):
        raise _out_of_range()
    levels: Pixels = np.rint(values).astype(np.uint8)
    return levels


def _out_of_range() -> InvalidParameter:
    return InvalidParameter(
        f"The values of `{PIXELS}` go from 0 to 255: RGB that is resized and cropped, but not "
        "normalised."
    )
