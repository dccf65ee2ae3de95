"""The answer to an inference request: chosen outputs, in JSON or behind it as bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from topfive.api.open_inference.wire import (
    LENGTH_HEADER,
    InferIn,
    OutputIn,
    check_parameters,
    list_names,
    read_flag,
)
from topfive.errors import InvalidParameter
from topfive.predictions import ClassScore, Prediction


@dataclass(frozen=True, slots=True)
class Output:
    """An output's datatype, and how its values are taken and written."""

    datatype: str
    value_of: Callable[[ClassScore], Any]
    as_bytes: Callable[[list[Any]], bytes]


@dataclass(frozen=True, slots=True)
class Chosen:
    """An output that was asked for, and whether as bytes."""

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, and the headers that say how to read it."""

    body: bytes
    headers: dict[str, str]


def _texts_as_bytes(texts: list[str]) -> bytes:
    encoded = [one.encode() for one in texts]
    return b"".join(len(one).to_bytes(4, "little") + one for one in encoded)


OUTPUTS: dict[str, Output] = {
    "class_id": Output(
        "INT64", lambda one: one.class_id, lambda values: np.array(values, "<i8").tobytes()
    ),
    "class_name": Output("BYTES", lambda one: one.class_name, _texts_as_bytes),
    "confidence": Output(
        "FP32",
        lambda one: round(one.confidence, 6),
        lambda values: np.array(values, "<f4").tobytes(),
    ),
}


def choose_outputs(asked: InferIn) -> tuple[Chosen, ...]:
    """Say which outputs are wanted, all where none is named; raises InvalidParameter."""
    is_binary = read_flag(asked.parameters, "binary_data_output")
    if not asked.outputs:
        return tuple(Chosen(name, is_binary) for name in OUTPUTS)
    chosen = tuple(_choose(one, is_binary) for one in asked.outputs)
    if len({one.name for one in chosen}) != len(chosen):
        raise InvalidParameter("An output is asked for twice.")
    return chosen


def write_answer(
    predictions: tuple[Prediction, ...], chosen: tuple[Chosen, ...], request_id: str | None
) -> Answer:
    """Write the outputs of all pictures, each of shape [pictures, classes]."""
    written = [_write(one, predictions) for one in chosen]
    first = predictions[0]
    answer: dict[str, Any] = {"model_name": first.model.name, "model_version": first.model.version}
    if request_id is not None:
        answer["id"] = request_id
    if any(one.is_degraded for one in predictions):
        answer["parameters"] = {"degraded": True}
    answer["outputs"] = [declared for declared, _ in written]
    text = json.dumps(answer, separators=(",", ":")).encode()
    binary = b"".join(data for _, data in written)
    if not any(one.is_binary for one in chosen):
        return Answer(text, {"Content-Type": "application/json"})
    headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}
    return Answer(text + binary, headers)


def _choose(asked: OutputIn, is_binary: bool) -> Chosen:
    if asked.name not in OUTPUTS:
        raise InvalidParameter(
            f"There is no output of that name. There are {list_names(tuple(OUTPUTS))}."
        )
    check_parameters(asked.parameters, ("binary_data",), "an output")
    return Chosen(asked.name, read_flag(asked.parameters, "binary_data", is_binary))


def _write(chosen: Chosen, predictions: tuple[Prediction, ...]) -> tuple[dict[str, Any], bytes]:
    """Return how an output is declared in the JSON, and its bytes where it is not in there."""
    output = OUTPUTS[chosen.name]
    values = [output.value_of(one) for found in predictions for one in found.classes]
    declared: dict[str, Any] = {
        "name": chosen.name,
        "datatype": output.datatype,
        "shape": [len(predictions), len(predictions[0].classes)],
    }
    if not chosen.is_binary:
        return declared | {"data": values}, b""
    data = output.as_bytes(values)
    return declared | {"parameters": {"binary_data_size": len(data)}}, data
