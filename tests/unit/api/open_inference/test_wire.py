"""Bodies of inference requests: JSON, and bytes behind it."""

import json

import pytest

from tests.unit.api.open_inference.requests import body_of, image, image_bytes, reading
from topfive.api.open_inference.wire import check_parameters, read_flag
from topfive.errors import Failure, InvalidParameter, MalformedRequest


def test_a_body_of_json_alone_is_read() -> None:
    """Without the header, or with one that says so, all of it is JSON."""
    body, length = body_of(image(["YQ=="]), id="a", parameters={"top_k": 3})
    for header in (None, length):
        request = reading(body, header)
        assert (request.asked.id, request.asked.parameters) == ("a", {"top_k": 3})
        assert request.binary == {}


def test_bytes_are_cut_for_each_input() -> None:
    """Inputs have their bytes behind the JSON in the order in which they are listed."""
    sizes = [{"binary_data_size": 2}, {}, {"binary_data_size": 3}]
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "parameters": size}
        for name, size in zip("abc", sizes, strict=True)
    ]
    text = json.dumps({"inputs": inputs}).encode()
    assert reading(text + b"12345", str(len(text))).binary == {"a": b"12", "c": b"345"}


@pytest.mark.parametrize(
    "length", ["", "-1", "+5", "5.0", "1_0", "0x10", "five", "99999999999", "100000", "٣", " 3"]
)
def test_a_length_that_is_none_is_refused(length: str) -> None:
    """The header is a number of bytes, and no more than the body has."""
    body, _ = body_of(image(["YQ=="]))
    with pytest.raises(MalformedRequest, match="Inference-Header-Content-Length must be"):
        reading(body, length)


@pytest.mark.parametrize("change", [-1, 1, -20])
def test_a_wrong_length_is_refused(change: int) -> None:
    """A JSON that is cut off, or has bytes at its end, is no JSON."""
    body, length = image_bytes(b"\x01\x00\x00\x00a", [1])
    with pytest.raises(MalformedRequest):
        reading(body, str(int(length) + change))


@pytest.mark.parametrize("header_is_there", [True, False])
def test_bytes_that_nobody_announced_are_refused(header_is_there: bool) -> None:
    """All of the body must be accounted for."""
    body, length = image_bytes(b"\x01\x00\x00\x00a", [1])
    with pytest.raises(MalformedRequest):
        reading(body + b"more", length if header_is_there else None)


@pytest.mark.parametrize("size", [-1, "5", 5.0, True, [5], 10**30])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    """What an input has of the body is a whole number of bytes that are there."""
    body, length = image_bytes(b"\x01\x00\x00\x00a", [1], binary_data_size=size)
    with pytest.raises(Failure) as told:
        reading(body, length)
    assert told.value.status == 400


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "`inputs` is missing."),
        ({"inputs": []}, "`inputs` has too few entries."),
        ({"inputs": [{}]}, "`inputs.0.name` is missing."),
        ({"inputs": [image(["YQ=="], [-1])]}, "`inputs.0.shape.0` does not fit."),
        ({"inputs": [image(["YQ=="], [1.0])]}, "`inputs.0.shape.0` must be a whole number."),
        ({"inputs": [image(["YQ=="], [1] * 5)]}, "`inputs.0.shape` has too many entries."),
        ({"inputs": [image(["YQ=="]) | {"data": "YQ=="}]}, "`inputs.0.data` must be a list."),
        ({"inputs": [image(["YQ=="]) | {"dtype": 1}]}, "`inputs.0.dtype` is not known."),
        ({"inputs": [image(["YQ=="])], "id": 7}, "`id` must be a text."),
        ({"inputs": [image(["YQ=="])], "id": "x" * 257}, "`id` is too long."),
        ({"inputs": [image(["YQ=="])], "id": "\ud800"}, "`id` does not fit."),
        ({"inputs": [image(["YQ=="])], "outputs": [{}]}, "`outputs.0.name` is missing."),
        ({"inputs": [image(["YQ=="])], "model": "m"}, "`model` is not known."),
    ],
)
def test_what_does_not_fit_is_named(body: dict[str, object], detail: str) -> None:
    """A member that is missing, not known or of another type is told by its place."""
    with pytest.raises(InvalidParameter) as told:
        reading(json.dumps(body).encode())
    assert told.value.detail.startswith(detail)


def test_an_unknown_parameter_is_named_with_what_was_meant() -> None:
    """Nothing that is asked for is passed over, but what clients send by themselves."""
    check_parameters({"top_k": 1, "priority": 1, "timeout": 5}, ("top_k", "other"), "a request")
    with pytest.raises(InvalidParameter, match="`topk` is not known in a request"):
        check_parameters({"topk": 1}, ("top_k", "other"), "a request")
    with pytest.raises(InvalidParameter, match="Known are `a` and `b`"):
        check_parameters({"classification": 1}, ("a", "b"), "an output")
    with pytest.raises(InvalidParameter, match="A parameter is not known"):
        check_parameters({"<b>": 1}, ("a", "b"), "an output")


@pytest.mark.parametrize("value", [1, 0, "true", None, []])
def test_a_flag_is_true_or_false(value: object) -> None:
    """Nothing else is taken for one of them."""
    assert read_flag({"a": True}, "a")
    assert not read_flag({}, "a")
    with pytest.raises(InvalidParameter, match="`a` must be true or false"):
        read_flag({"a": value}, "a")
