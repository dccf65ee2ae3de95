"""JSON with many pictures is read while it arrives, in pieces of any size."""

import json
from base64 import b64encode, encodebytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api.batch.parsing import LIMITS, parse, told
from topfive.api.batch.contents import Field
from topfive.api.batch.json_parser import JsonParser


def found_in(body: bytes | str, size: int = 64) -> list[object]:
    """List what a body holds, failures as their messages."""
    data = body.encode() if isinstance(body, str) else body
    return told(parse(JsonParser(LIMITS), data, size))


def images(*pictures: bytes, **before: Any) -> str:
    """Write a batch as Python's json does."""
    return json.dumps({**before, "images": [b64encode(one).decode() for one in pictures]})


def test_fields_come_first_then_pictures_in_their_order() -> None:
    """Members before the pictures are fields, numbers as they are written."""
    body = images(b"one", bytes(1500), b"", top_k=3, model="a")
    assert found_in(body) == [Field("top_k", "3"), Field("model", "a"), b"one", bytes(1500), b""]


@given(
    contents=st.lists(st.binary(max_size=1000), min_size=1, max_size=4),
    size=st.integers(1, 700),
    indent=st.sampled_from([None, 2]),
)
def test_pieces_of_any_size_make_the_same_pictures(
    contents: list[bytes], size: int, indent: int | None
) -> None:
    """However a body is cut and laid out, the pictures in it are the same."""
    body = json.dumps({"images": [b64encode(one).decode() for one in contents]}, indent=indent)
    assert found_in(body, size) == contents


@given(size=st.integers(1, 50), picture=st.binary(min_size=300, max_size=900))
def test_line_breaks_and_escapes_are_read(size: int, picture: bytes) -> None:
    """Base64 in lines, and slashes with a backslash before them as PHP writes them, are read."""
    text = json.dumps({"images": [encodebytes(picture).decode()]}).replace("/", "\\/")
    assert found_in(text, size) == [picture]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_one_picture_that_is_wrong_is_one_failure(size: int) -> None:
    """Base64 that is none, a number and a picture too long leave the others as they are."""
    good = b64encode(b"\x00" * 300).decode()
    body = json.dumps({"images": [good, "*" * 400, 7, b64encode(bytes(3000)).decode()]})
    found = found_in(body, size)
    assert found[0] == bytes(300)
    assert str(found[1]).startswith("invalid_parameter: `images[1]` is not base64")
    assert str(found[2]).startswith("invalid_parameter: `images[2]` must be a text")
    assert str(found[3]).startswith("file_too_large") or found[3] == bytes(3000)


def test_a_text_that_is_too_long_for_a_picture_is_one_failure() -> None:
    """A text twice as long as any picture's is refused, and the next picture is found."""
    body = images(b"one", bytes(5000), b"two")
    assert found_in(body) == [
        b"one",
        "file_too_large: The picture is larger than 2000 bytes. Send a smaller file.",
        b"two",
    ]


def test_a_text_without_end_ends_the_batch() -> None:
    """A text that is many times too long is not read on, and holds no memory."""
    parser = JsonParser(LIMITS)
    found = told(parse(parser, b'{"images": ["AAAA", "' + b"A" * 10**6, 1000))
    assert found[0] == bytes(3)
    assert str(found[1]).startswith("file_too_large: A text of the JSON has over ")
    assert parser._texts._text is not None
    assert parser._texts._text.join() == b""


def test_the_picture_beyond_the_most_is_refused() -> None:
    """A fifth picture of four is refused, after the four were found."""
    *pictures, last = found_in(images(*[b"one"] * 5))
    assert pictures == [b"one"] * 4
    assert last == "batch_too_large: The batch has over 4 pictures. Send several batches."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('["AAAA"]', "must be a JSON object"),
        ('"AAAA"', "must be a JSON object"),
        ("7", "must be a JSON object"),
        ('{"images": "AAAA"}', "`images` must be a list"),
        ('{"images": [["AAAA"]]}', "`images` is nested too deeply"),
        ('{"images": [{"b64": "AAAA"}]}', "`images` is nested too deeply"),
        ('{"images": {"a": "AAAA"}}', "`images` is nested too deeply"),
        ('{"parameters": {"top_k": 3}}', "`parameters` is nested too deeply"),
        ('{"images": ["AAAA"], "top_k": 3}', "`top_k` comes after a picture"),
        (json.dumps({"model": "m" * 1001}), "The field `model` has over 1000 bytes"),
        (json.dumps({"m" * 1001: 1}), "A field of the batch has over 1000 bytes"),
        ('{"' + "a" * 500 + '": []}', "A member is nested too deeply"),
    ],
)
def test_what_does_not_fit_is_named(body: str, message: str) -> None:
    """What has another form than a batch's is told with the member that has it."""
    assert message in str(found_in(body)[-1])
    assert str(found_in(body)[-1]).startswith("invalid_parameter: ")


@pytest.mark.parametrize(
    "body",
    [
        '{"images": ["AAAA"]',
        '{"images": ["AAAA',
        '{"images": ["AAAA"]} {}',
        '{"images": ["AAAA"],}',
        '{"images": ["AAAA" "AAAA"]}',
        '{"images": [NaN]}',
        '{"top_k": ' + "1" * 5000 + "}",
        '{"top_k": ' + "1" * 200_000,
        '{"images": [' + " " * 200_000,
        '{"images": ["' + "A\x01" * 400 + '"]}',
        b'{"images": ["' + b"\xff" * 400 + b'"]}',
        b"\xff\xfe{",
        "",
    ],
)
def test_what_is_no_json_is_malformed(body: str | bytes) -> None:
    """What is cut off, is followed by more, or is no JSON for another reason is told so."""
    assert str(found_in(body, 5000)[-1]).startswith("malformed_request: The ")


def test_pictures_before_what_is_no_json_are_found() -> None:
    """However the body is cut, what came before the mistake counts."""
    for size in (1, 9, 1000):
        found = found_in('{"images": ["AAAA", oops', size)
        assert found == [bytes(3), "malformed_request: The body is not JSON (RFC 8259)."]


def test_a_member_given_twice_is_malformed() -> None:
    """Which of two would count, nobody has to guess."""
    found = found_in('{"images": ["AAAA"], "images": ["AAAA"]}')
    assert found[-1] == "malformed_request: `images` is in the JSON twice. Give it once."


def test_deep_nesting_ends_at_its_second_bracket() -> None:
    """A megabyte of brackets is refused by the first that does not belong there."""
    found = found_in('{"images": ' + "[" * 10**6, 64 * 1024)
    assert len(found) == 1
    assert "nested too deeply" in str(found[0])


def test_texts_that_look_like_what_is_put_in_their_place_mean_themselves() -> None:
    """No text of a caller's stands for another one's picture."""
    body = json.dumps({"model": "~", "version": "=x", "images": ["~", "=AAA", "QUFB"]})
    model, version, *pictures = found_in(body)
    assert model == Field("model", "~")
    assert version == Field("version", "=x")
    assert [str(one)[:17] for one in pictures[:2]] == ["invalid_parameter"] * 2
    assert pictures[2] == b"AAA"
