"""A form with many pictures is read while it arrives, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api.batch.parsing import LIMITS, parse, told
from topfive.api.batch.contents import Field
from topfive.api.batch.form_parser import FormParser
from topfive.errors import MalformedRequest

BOUNDARY = "b0undary"
FILE = 'name="files"; filename="a.jpg"'


def form(*parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    """Write a form's body, of parts with that disposition and content."""
    body = b""
    for disposition, content in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}".encode() + end


def found_in(body: bytes, size: int = 64) -> list[object]:
    """List what a body holds, failures as their messages."""
    return told(parse(FormParser(BOUNDARY, LIMITS), body, size))


def test_fields_come_first_then_pictures_in_their_order() -> None:
    """Fields and pictures are found in the order in which they were sent, whole."""
    body = form(('name="top_k"', b"3"), (FILE, b"\x00one"), ('name="file"; filename=""', b""))
    assert found_in(body) == [Field("top_k", "3"), b"\x00one", b""]


@given(
    contents=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4),
    size=st.integers(1, 400),
)
def test_pieces_of_any_size_make_the_same_pictures(contents: list[bytes], size: int) -> None:
    """However a body is cut on its way, the pictures in it are the same."""
    body = form(*[(FILE, b"\x00" + one) for one in contents])
    assert found_in(body, size) == [b"\x00" + one for one in contents]


@pytest.mark.parametrize("size", [1, 3, 50, 5000])
def test_a_picture_that_is_too_long_is_one_failure_among_pictures(size: int) -> None:
    """The pictures before and after one that is too long are found."""
    first, *rest = found_in(form((FILE, b"\x001"), (FILE, bytes(2001)), (FILE, b"\x002")), size)
    assert first == b"\x001"
    assert rest == [
        "file_too_large: The picture is larger than 2000 bytes. Send a smaller file.",
        b"\x002",
    ]


def test_of_a_picture_that_is_too_long_nothing_is_kept() -> None:
    """A long picture costs no memory while it goes on arriving."""
    parser = FormParser(BOUNDARY, LIMITS)
    list(parser.feed(form((FILE, b"\x00"))[:-16]))
    for _ in range(100):
        assert list(parser.feed(bytes(1000))) == []
    assert parser._content.join() == b""


def test_the_picture_beyond_the_most_is_refused_before_it_has_come() -> None:
    """A fifth picture of four is refused by its header, after the four were found."""
    body = form(*[(FILE, b"\x00")] * 5)[: -len(f"\r\n--{BOUNDARY}--\r\n") - 1]
    *pictures, last = found_in(body)
    assert pictures == [b"\x00"] * 4
    assert last == "batch_too_large: The batch has over 4 pictures. Send several batches."


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(FILE, b"\x00"), ('name="top_k"', b"3")], "`top_k` comes after a picture"),
        ([('name="photo"; filename="a.jpg"', b"\x00")], "A file is called `photo`"),
        ([('filename="a.jpg"', b"\x00")], "A file has no name"),
        ([('name="top_k"', bytes(1001))], "The field `top_k` has over 1000 bytes"),
        ([('name="files"', b"a.jpg")], "write -F files=@photo.jpg"),
    ],
)
def test_what_is_wrong_is_named(parts: list[tuple[str, bytes]], message: str) -> None:
    """A field too late or too long, a file of another name and a text are each told apart."""
    assert message in str(found_in(form(*parts))[-1])


@pytest.mark.parametrize(
    "body",
    [
        form((FILE, b"\x00one"))[:-8],
        form((FILE, b"\x00one"))[:60],
        b"",
        bytes(200_000),
        form((FILE, b"\x00one")).replace(b"\r\n", b"\n"),
        form((FILE, b"\x00one")).replace(b"form-data", b"attachment"),
    ],
)
def test_a_broken_form_is_malformed(body: bytes) -> None:
    """A form that is cut off, has no boundary or other line breaks is told as broken."""
    assert str(found_in(body, 1000)[-1]).startswith("malformed_request: The multipart body is ")


def test_a_body_without_a_boundary_is_given_up_soon() -> None:
    """Who sends no form is told after 64 KiB, not after all of it."""
    parser = FormParser(BOUNDARY, LIMITS)
    list(parser.feed(bytes(64 * 1024)))
    with pytest.raises(MalformedRequest):
        list(parser.feed(b"\x00"))


@pytest.mark.parametrize("boundary", ["", "b" * 300])
def test_a_boundary_that_cannot_be_one_is_refused(boundary: str) -> None:
    """An empty boundary and one that is far too long are refused at once."""
    with pytest.raises(MalformedRequest):
        FormParser(boundary, LIMITS)


def test_what_follows_the_end_is_passed_over() -> None:
    """An epilogue, which RFC 2046 allows, changes nothing."""
    assert found_in(form((FILE, b"\x00one")) + b"epilogue" * 20, 7) == [b"\x00one"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_preamble_is_passed_over(size: int) -> None:
    """What comes before the first delimiter changes nothing (RFC 2046), however it is cut."""
    assert found_in(b"a--b line\r\n" + form((FILE, b"\x00one")), size) == [b"\x00one"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_delimiter_begins_a_line(size: int) -> None:
    """A boundary within a line ends no preamble, however the body is cut."""
    body = f"\r\n--\x00--{BOUNDARY}--".encode()
    assert str(found_in(body, size)[-1]).startswith("malformed_request: The multipart body is cut")
