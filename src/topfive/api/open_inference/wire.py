"""The body of an inference request: a JSON object, and behind it tensors as bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from topfive.api.fields import may_be_shown
from topfive.api.json_body import read_json
from topfive.errors import InvalidParameter, MalformedRequest

LENGTH_HEADER = "Inference-Header-Content-Length"
# Eight pictures of 224 x 224 pixels, written as numbers in lists of three.
_MOST_VALUES = 1_700_000
# Set by tritonclient on its own, and of no consequence here.
_PASSED_OVER = frozenset({"priority", "timeout"})

Parameters = dict[str, Any]
Count = Annotated[int, Field(ge=0, le=1 << 31)]


class TensorIn(BaseModel):
    """An input: its values are in `data`, or in the body where `binary_data_size` says how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=200)
    shape: list[Count] = Field(min_length=1, max_length=4)
    datatype: str = Field(max_length=10)
    parameters: Parameters = Field(default_factory=dict)
    data: list[Any] | None = None


class OutputIn(BaseModel):
    """An output that is asked for; as bytes where its parameter `binary_data` is true."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=200)
    parameters: Parameters = Field(default_factory=dict)


class InferIn(BaseModel):
    """An inference request; `id` comes back with the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(None, max_length=256)
    parameters: Parameters = Field(default_factory=dict)
    inputs: list[TensorIn] = Field(min_length=1, max_length=16)
    outputs: list[OutputIn] = Field(default_factory=list, max_length=16)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a body holds: the request, and of each input that came as bytes, those by its name."""

    asked: InferIn
    binary: Mapping[str, bytes]


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """Read a body; `header_length` is what LENGTH_HEADER says of its JSON, None: it is all JSON.

    Raises MalformedRequest where lengths do not fit, and what `read_json` raises.
    """
    json_bytes = len(body) if header_length is None else _read_length(header_length, len(body))
    asked = read_json(body[:json_bytes], InferIn, _MOST_VALUES)
    return InferRequest(asked, _cut(asked.inputs, body, json_bytes))


def check_parameters(given: Parameters, known: tuple[str, ...], where: str) -> None:
    """Raise InvalidParameter, which names it, for a parameter that is not known in `where`."""
    for name in given:
        if name not in known and name not in _PASSED_OVER:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known are {list_names(known)}."
            which = f"`{name}`" if may_be_shown(name) else "A parameter"
            raise InvalidParameter(f"{which} is not known in {where}. {hint}")


def read_flag(given: Parameters, name: str, default: bool = False) -> bool:
    """Read a parameter that is true or false; raises InvalidParameter."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidParameter(f"`{name}` must be true or false.")
    return value


def list_names(names: tuple[str, ...]) -> str:
    """Write names one after the other, as in `a`, `b` and `c`."""
    *most, last = (f"`{one}`" for one in names)
    return f"{', '.join(most)} and {last}" if most else last


def _read_length(text: str, body_bytes: int) -> int:
    # Unicode has further digits, and Python's int() takes signs and underscores.
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    if not is_number or int(text) > body_bytes:
        raise MalformedRequest(
            f"{LENGTH_HEADER} must be the length of the JSON, from 0 to the body's {body_bytes} "
            "bytes."
        )
    return int(text)


def _cut(inputs: list[TensorIn], body: bytes, start: int) -> dict[str, bytes]:
    """Cut from the body what each input has of it, in their order."""
    found: dict[str, bytes] = {}
    for one in inputs:
        size = one.parameters.get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or size < 0:
            raise InvalidParameter("`binary_data_size` must be a whole number of bytes.")
        found[one.name] = body[start : start + size]
        start += size
    if start != len(body):
        raise MalformedRequest(
            f"The body has {len(body)} bytes, but the JSON and all `binary_data_size` come to "
            f"{start}. Is {LENGTH_HEADER} right?"
        )
    return found
