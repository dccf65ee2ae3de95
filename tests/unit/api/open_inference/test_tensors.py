"""The one input of an inference request: what is read of it, and what is refused."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.api.open_inference.requests import (
    body_of,
    image,
    image_bytes,
    pixel_bytes,
    pixels,
    reading,
)
from topfive.api.open_inference.tensors import only_input, read_pictures, read_pixels
from topfive.errors import Failure, InvalidParameter

ONE, OTHER = b"\xff\xd8one", b"\xff\xd8another"
VALUES = np.arange(48, dtype=np.uint8).reshape(2, 2, 4, 3)


def pictures_of(body: bytes, length: str | None = None) -> list[bytes]:
    """Read a body's encoded pictures."""
    request = reading(body, length)
    return read_pictures(request, only_input(request))


def pixels_of(body: bytes, length: str | None = None) -> np.ndarray:
    """Read a body's pixels."""
    request = reading(body, length)
    return read_pixels(request, only_input(request))


def encoded(*pictures: bytes) -> list[str]:
    """Write pictures in base64."""
    return [base64.b64encode(one).decode() for one in pictures]


def elements(*pictures: bytes) -> bytes:
    """Write pictures behind their lengths."""
    return b"".join(len(one).to_bytes(4, "little") + one for one in pictures)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_pictures_are_read_from_json_and_bytes(shape: list[int]) -> None:
    """In JSON they are base64; behind it they are as they are, or base64 where that is said."""
    assert pictures_of(*body_of(image(encoded(ONE, OTHER), shape))) == [ONE, OTHER]
    assert pictures_of(*image_bytes(elements(ONE, OTHER), shape)) == [ONE, OTHER]
    texts = elements(*(one.encode() for one in encoded(ONE, OTHER)))
    for name in ("content_type", "binary_encoding"):
        assert pictures_of(*image_bytes(texts, shape, **{name: "base64"})) == [ONE, OTHER]


def test_nested_texts_and_a_named_encoding_are_read() -> None:
    """Values may be nested as the shape is; the encoding may be named for input or request."""
    nested = [[one] for one in encoded(ONE, OTHER)]
    assert pictures_of(*body_of(image(nested, [2, 1]))) == [ONE, OTHER]
    told = {"content_type": "base64"}
    assert pictures_of(*body_of(image(encoded(ONE), **told))) == [ONE]
    assert pictures_of(*body_of(image(encoded(ONE)), parameters=told)) == [ONE]


@pytest.mark.parametrize(
    ("tensor", "detail"),
    [
        (image(encoded(ONE), [2]), "`image` has 1 pictures; its shape says 2."),
        (image(encoded(ONE), [1, 2]), "The shape of `image` is [pictures] or [pictures, 1]."),
        (image(encoded(ONE), [1, 1, 1]), "The shape of `image` is [pictures] or [pictures, 1]."),
        (image([], [0]), "`image` has 1 to 8 pictures a request, not 0."),
        (image(encoded(*[ONE] * 9)), "`image` has 1 to 8 pictures a request, not 9."),
        (image([7]), "The values of `image` are texts"),
        (image([None]), "The values of `image` are texts"),
        (image([["YQ==", "YQ=="]], [1]), "The values of `image` are texts"),
        (image(["photo.jpg!"]), "`image[0]` is not base64."),
        (image([*encoded(ONE), "%"]), "`image[1]` is not base64."),
        (image(encoded(ONE), content_type="str"), "`content_type` and `binary_encoding` can only"),
        (image(encoded(ONE), content_type=7), "`content_type` and `binary_encoding` can only"),
        (image(encoded(ONE), encoding="base64"), "`encoding` is not known in an input."),
        (image(encoded(ONE), shared_memory_region="r"), "`shared_memory_region` is not known"),
        (image(encoded(ONE)) | {"datatype": "UINT8"}, "The input `image` is BYTES."),
        (image(encoded(ONE)) | {"datatype": "bytes"}, "The input `image` is BYTES."),
        (image(encoded(ONE)) | {"name": "input"}, "There is no input of that name."),
        (image(encoded(ONE)) | {"data": None}, "The values of `image` must be either in `data`"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_wrong_input_of_pictures_is_told(tensor: dict[str, Any], detail: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(InvalidParameter) as told:
        pictures_of(*body_of(tensor))
    assert told.value.detail.startswith(detail)


@pytest.mark.parametrize(
    "data",
    [
        b"\x05",
        b"\x05\x00\x00\x00",
        b"\xff\xff\xff\xffabc",
        elements(ONE) + b"\x00",
        ONE,
        b"\x00" * 3,
    ],
)
def test_pictures_that_are_cut_off_are_told(data: bytes) -> None:
    """A length that leads beyond the bytes is refused, however large it is."""
    with pytest.raises(InvalidParameter, match="are cut off: each picture comes after its length"):
        pictures_of(*image_bytes(data, [1]))


@pytest.mark.parametrize("count", [0, 1, 3, 9, 100_000])
def test_another_number_of_pictures_than_the_shape_says_is_told(count: int) -> None:
    """Of too many, no more are looked at than are needed to see that."""
    with pytest.raises(InvalidParameter, match=r"pictures; its shape says 2\."):
        pictures_of(*image_bytes(elements(*[b""] * count), [2]))


def test_values_in_both_places_are_refused() -> None:
    """It would not be certain which are meant."""
    tensor = image(encoded(ONE), binary_data_size=3)
    with pytest.raises(InvalidParameter, match="either in `data`, or behind the JSON"):
        pictures_of(*body_of(tensor, b"abc"))


@pytest.mark.parametrize("count", [2, 3])
def test_several_inputs_are_refused(count: int) -> None:
    """A request has one input."""
    body = json.dumps({"inputs": [image(encoded(ONE))] * count}).encode()
    with pytest.raises(InvalidParameter, match=f"Send one input, .* not {count}"):
        pictures_of(body)


def test_pixels_are_read_from_json_and_bytes() -> None:
    """Flat or nested, whole numbers or not, they are the same pixels."""
    shape = list(VALUES.shape)
    for data in (VALUES.flatten().tolist(), VALUES.tolist()):
        for datatype in ("UINT8", "FP32"):
            found = pixels_of(*body_of(pixels(data, shape, datatype)))
            assert (found.dtype, found.shape) == (np.uint8, VALUES.shape)
            assert np.array_equal(found, VALUES)
    for values in (VALUES, VALUES.astype("<f4")):
        assert np.array_equal(pixels_of(*pixel_bytes(values)), VALUES)


def test_fp32_is_rounded() -> None:
    """Models take whole numbers: each value becomes the nearest."""
    values = np.array([0, 0.4, 0.6, 254.6, 255, 127.49], "<f4").reshape(1, 1, 2, 3)
    for body in (pixel_bytes(values), body_of(pixels(values.tolist(), [1, 1, 2, 3], "FP32"))):
        assert pixels_of(*body).flatten().tolist() == [0, 0, 1, 255, 255, 127]


SMALL = [1, 1, 1, 3]


@pytest.mark.parametrize(
    ("tensor", "detail"),
    [
        (pixels([1, 2], SMALL), "`pixels` of shape [1, 1, 1, 3] has 3 values, not 2."),
        (pixels([], SMALL), "`pixels` of shape [1, 1, 1, 3] has 3 values, not 0."),
        (pixels([1, 2, 3], [1, 3, 1, 1]), "The shape of `pixels` is [pictures, height, width, 3]."),
        (pixels([1, 2, 3], [1, 3]), "The shape of `pixels` is [pictures, height, width, 3]."),
        (pixels([1] * 27, [9, 1, 1, 3]), "`pixels` has 1 to 8 pictures a request, not 9."),
        (pixels([], [0, 1, 1, 3]), "`pixels` has 1 to 8 pictures a request, not 0."),
        (pixels([[1, 2, 3]], SMALL), "The lists of `pixels` are not nested as its shape says."),
        (pixels([[[[1, 2]]]], SMALL), "The lists of `pixels` are not nested as its shape says."),
        (pixels([[[[1, 2, [3]]]]], SMALL), "The values of `pixels` in UINT8 are whole numbers."),
        (pixels([1, [2], 3], SMALL), "The values of `pixels` in UINT8 are whole numbers."),
        (pixels([1, 2, 3.0], SMALL), "The values of `pixels` in UINT8 are whole numbers."),
        (pixels([1, 2, True], SMALL), "The values of `pixels` in UINT8 are whole numbers."),
        (pixels([1, 2, "3"], SMALL, "FP32"), "The values of `pixels` in FP32 are numbers."),
        (pixels([1, 2, None], SMALL, "FP32"), "The values of `pixels` in FP32 are numbers."),
        (pixels([1, 2, 256], SMALL), "The values of `pixels` go from 0 to 255"),
        (pixels([1, 2, -1], SMALL), "The values of `pixels` go from 0 to 255"),
        (pixels([1, 2, 10**400], SMALL), "The values of `pixels` go from 0 to 255"),
        (pixels([1, 2, 255.1], SMALL, "FP32"), "The values of `pixels` go from 0 to 255"),
        (pixels([1, 2, 3], SMALL, "FP16"), "The input `pixels` is UINT8 or FP32."),
        (
            pixels([1, 2, 3], SMALL, parameters={"content_type": "base64"}),
            "`pixels` has no content type: it is numbers.",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_wrong_pixels_are_told(tensor: dict[str, Any], detail: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(InvalidParameter) as told:
        pixels_of(*body_of(tensor))
    assert told.value.detail.startswith(detail)


def test_a_number_without_end_is_told() -> None:
    """JSON can write numbers that are larger than any float."""
    body, _ = body_of(pixels([1, 2, 3.5], SMALL, "FP32"))
    with pytest.raises(InvalidParameter, match="go from 0 to 255"):
        pixels_of(body.replace(b"3.5", b"1e999"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.1, 255.01, 1e30])
def test_values_that_are_no_levels_are_told(value: float) -> None:
    """Not-a-number, infinity and what is normalised already are refused, as bytes too."""
    values = np.full(SMALL, 100, "<f4")
    values[0, 0, 0, 1] = value
    with pytest.raises(InvalidParameter, match="go from 0 to 255"):
        pixels_of(*pixel_bytes(values))


@pytest.mark.parametrize("shape", [[1, 2, 4, 3], [2, 2, 3, 3], [2, 2**31, 2**31, 3], [2, 0, 0, 3]])
def test_another_number_of_bytes_than_the_shape_says_is_told(shape: list[int]) -> None:
    """The bytes are counted before anything is set aside for them."""
    with pytest.raises(InvalidParameter, match=r"has \d+ bytes, not 48"):
        pixels_of(*pixel_bytes(VALUES, shape))


BODIES = [
    (*body_of(image(encoded(ONE, OTHER), [2, 1])), pictures_of),
    (*image_bytes(elements(ONE, OTHER), [2]), pictures_of),
    (*body_of(pixels(VALUES.tolist(), list(VALUES.shape), "FP32")), pixels_of),
    (*pixel_bytes(VALUES.astype("<f4")), pixels_of),
]


@settings(max_examples=400)
@given(
    st.sampled_from(BODIES),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), min_size=1, max_size=4),
    st.integers(-3, 3),
)
def test_a_damaged_body_is_read_or_refused(
    one: tuple[bytes, str, Callable[[bytes, str], object]],
    damage: list[tuple[int, bytes]],
    shift: int,
) -> None:
    """Bytes that are changed, cut out or put in anywhere never lead to anything but a failure."""
    body, length, read = one
    for where, put in damage:
        body = body[:where] + put + body[where + 2 :]
    with suppress(Failure):
        read(body, str(max(0, int(length) + shift)))
