"""JSON from callers: read strictly, and refused in words."""

import base64

import pytest
from pydantic import BaseModel, ConfigDict

from topfive.api.json_body import decode_base64, read_json
from topfive.errors import InvalidParameter, MalformedRequest


class Asked(BaseModel):
    """A shape to read into."""

    model_config = ConfigDict(extra="forbid")

    count: int
    names: list[str] = []
    more: dict[str, object] = {}


@pytest.mark.parametrize(
    "body", [b'{"count": 3}', b' {"count":3,"names":["a"],"more":{"b":[1.5,null,true]}}\n']
)
def test_what_fits_is_read(body: bytes) -> None:
    """A JSON object that fits becomes the shape."""
    assert read_json(body, Asked).count == 3


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is empty. Send JSON."),
        (b"{", "The body is not JSON. Look at line 1, column 2."),
        (b'{"count": 3} x', "The body is not JSON. Look at line 1, column 14."),
        (b"\xff\xfe{\x00}\x00", "The body is not JSON: it is not UTF-8."),
        ('{"count": 3}'.encode("utf-16"), "The body is not JSON: it is not UTF-8."),
        (b'\xef\xbb\xbf{"count": 3}', "The body is not JSON. Look at line 1, column 1."),
        (b'{"count": NaN}', "The body is not JSON: there is no NaN in it (RFC 8259)."),
        (b'{"count": -Infinity}', "The body is not JSON: there is no -Infinity in it (RFC 8259)."),
        (b'{"count": 1, "count": 2}', "`count` is in the JSON twice. Give it once."),
        (b'{"more": {"<b>": 1, "<b>": 2}}', "A member is in the JSON twice. Give it once."),
        (b'{"count": ' + b"9" * 5000 + b"}", "The JSON holds a number of too many digits."),
        (b"[" * 4000 + b"]" * 4000, "The JSON is nested too deeply."),
        (b'{"a":' * 4000 + b"1" + b"}" * 4000, "The JSON is nested too deeply."),
        (b'{"more": {"a": [' + b"0," * 20_000 + b"0]}}", "The JSON holds over 10000 values."),
        (b"[" * 100_000, "The JSON holds over 10000 values."),
        (b"{" + b'"a":{},' * 10_000 + b"}", "The JSON holds over 10000 values."),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_no_json_is_told(body: bytes, detail: str) -> None:
    """Each way to be broken has its sentence; nothing costs more than its bytes explain."""
    with pytest.raises(MalformedRequest) as told:
        read_json(body, Asked)
    assert told.value.detail == detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"3", "The body must be a JSON object, as in `{...}`."),
        (b'"text"', "The body must be a JSON object, as in `{...}`."),
        (b"[]", "The body must be a JSON object, as in `{...}`."),
        (b"{}", "`count` is missing."),
        (b'{"count": "3"}', "`count` must be a whole number."),
        (b'{"count": true}', "`count` must be a whole number."),
        (b'{"count": 3, "size": 1}', "`size` is not known."),
        (b'{"count": 3, "names": "a"}', "`names` must be a list."),
        (b'{"count": 3, "names": [1]}', "`names.0` must be a text."),
        (b'{"count": 3, "more": []}', "`more` must be an object."),
    ],
)
def test_what_does_not_fit_is_named(body: bytes, detail: str) -> None:
    """A member of another type is refused, not brought into the right one."""
    with pytest.raises(InvalidParameter) as told:
        read_json(body, Asked)
    assert told.value.detail.startswith(detail)


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256)) * 40])
def test_base64_is_decoded(data: bytes) -> None:
    """With line breaks, as encoders write them, or in one line."""
    assert decode_base64(base64.b64encode(data).decode(), "x") == data
    assert decode_base64(base64.encodebytes(data).decode(), "x") == data


@pytest.mark.parametrize(
    "text", ["a", "abc", "ab=c", "====", "ab_-", "é", "\ud800", "YQ==YQ==", "YQ=\x00", "YQ==="]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    """No character is passed over, and what is wrong is named."""
    with pytest.raises(InvalidParameter, match="`x` is not base64"):
        decode_base64(text, "`x`")


def test_an_address_with_data_in_it_is_told_apart() -> None:
    """Browsers make `data:` addresses; all but their end is to be left out."""
    with pytest.raises(InvalidParameter, match="leave out all up to the comma"):
        decode_base64("data:image/png;base64,YQ==", "`x`")
