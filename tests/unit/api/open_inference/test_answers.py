"""Answers to inference requests: which outputs, and how they are written."""

import json
from typing import Any

import numpy as np
import pytest

from topfive.api.open_inference.answers import OUTPUTS, choose_outputs, write_answer
from topfive.api.open_inference.wire import InferIn
from topfive.errors import InvalidParameter
from topfive.predictions import ClassScore, ImageInfo, ModelRef, Prediction, Timings

ZEBRA, OKAPI = ClassScore(340, "zebra", 0.75), ClassScore(2, "Ökapi", 0.125)
TIMINGS = Timings(1, 2, 3, 4, 10)
INPUT = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["YQ=="]}


def prediction(*classes: ClassScore, is_degraded: bool = False) -> Prediction:
    """Make a prediction with these classes."""
    model, image = ModelRef("m", "1"), ImageInfo("JPEG", 5, 4)
    return Prediction(model, classes, image, TIMINGS, is_degraded)


def asked(**more: Any) -> InferIn:
    """Make a request."""
    return InferIn.model_validate({"inputs": [INPUT], **more})


def written(request: InferIn, *predictions: Prediction) -> tuple[dict[str, Any], bytes, Any]:
    """Answer a request; returns the JSON, what is behind it and the headers."""
    answer = write_answer(predictions, choose_outputs(request), request.id)
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.body)))
    return json.loads(answer.body[:length]), answer.body[length:], answer.headers


def test_all_outputs_are_in_json_where_none_is_named() -> None:
    """Two pictures with two classes each are four values of each output."""
    found, binary, headers = written(
        asked(id="x"), prediction(ZEBRA, OKAPI), prediction(OKAPI, ZEBRA)
    )
    assert headers == {"Content-Type": "application/json"}
    assert binary == b""
    assert found == {
        "model_name": "m",
        "model_version": "1",
        "id": "x",
        "outputs": [
            {"name": "class_id", "datatype": "INT64", "shape": [2, 2], "data": [340, 2, 2, 340]},
            {
                "name": "class_name",
                "datatype": "BYTES",
                "shape": [2, 2],
                "data": ["zebra", "Ökapi", "Ökapi", "zebra"],
            },
            {
                "name": "confidence",
                "datatype": "FP32",
                "shape": [2, 2],
                "data": [0.75, 0.125, 0.125, 0.75],
            },
        ],
    }


def test_chosen_outputs_come_in_their_order_as_they_are_asked_for() -> None:
    """Each may be in the JSON or behind it, where the bytes are in the same order."""
    outputs = [
        {"name": "confidence", "parameters": {"binary_data": True}},
        {"name": "class_name"},
        {"name": "class_id", "parameters": {"binary_data": True}},
    ]
    found, binary, headers = written(asked(outputs=outputs), prediction(ZEBRA, OKAPI))
    assert headers["Content-Type"] == "application/octet-stream"
    assert [one["name"] for one in found["outputs"]] == ["confidence", "class_name", "class_id"]
    assert [one.get("parameters") for one in found["outputs"]] == [
        {"binary_data_size": 8},
        None,
        {"binary_data_size": 16},
    ]
    assert np.frombuffer(binary[:8], "<f4").tolist() == [0.75, 0.125]
    assert np.frombuffer(binary[8:], "<i8").tolist() == [340, 2]
    assert "id" not in found


def test_texts_as_bytes_have_their_lengths() -> None:
    """Each class name comes in UTF-8 behind its length, 4 bytes little-endian."""
    found, binary, _ = written(
        asked(outputs=[{"name": "class_name"}], parameters={"binary_data_output": True}),
        prediction(ZEBRA, OKAPI),
    )
    assert binary == b"\x05\x00\x00\x00zebra\x06\x00\x00\x00\xc3\x96kapi"
    assert found["outputs"][0]["parameters"] == {"binary_data_size": len(binary)}


def test_an_output_may_differ_from_the_others() -> None:
    """What is said of one output wins over what is said of all."""
    outputs = [{"name": "class_id", "parameters": {"binary_data": False}}, {"name": "confidence"}]
    found, _, _ = written(
        asked(outputs=outputs, parameters={"binary_data_output": True}), prediction(ZEBRA)
    )
    assert ["data" in one for one in found["outputs"]] == [True, False]


def test_a_fallback_does_not_go_unseen() -> None:
    """What a stand-in has found is marked."""
    found, _, _ = written(asked(), prediction(ZEBRA, is_degraded=True))
    assert found["parameters"] == {"degraded": True}


@pytest.mark.parametrize("given", ["\x00", "é", '"', "", "x" * 256])
def test_any_id_comes_back(given: str) -> None:
    """What a caller calls its request cannot break the answer."""
    assert written(asked(id=given), prediction(ZEBRA))[0]["id"] == given


@pytest.mark.parametrize(
    ("outputs", "detail"),
    [
        ([{"name": "scores"}], "There is no output of that name. There are `class_id`"),
        ([{"name": "class_id"}] * 2, "An output is asked for twice."),
        ([{"name": "class_id", "parameters": {"classification": 3}}], "`classification` is not"),
        ([{"name": "class_id", "parameters": {"binary_data": 1}}], "`binary_data` must be true"),
    ],
)
def test_a_wrong_output_is_told(outputs: list[Any], detail: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(InvalidParameter) as told:
        choose_outputs(asked(outputs=outputs))
    assert told.value.detail.startswith(detail)


def test_every_output_is_declared() -> None:
    """The protocol's names of types are those that a class's parts have."""
    assert {name: one.datatype for name, one in OUTPUTS.items()} == {
        "class_id": "INT64",
        "class_name": "BYTES",
        "confidence": "FP32",
    }
