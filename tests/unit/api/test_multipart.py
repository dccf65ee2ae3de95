"""The parts of a form are found, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.api.multipart import START_BYTES, check_start, find_parts
from topfive.errors import MalformedRequest

B = "frontier"


def part(name: str, content: bytes, *more: str) -> bytes:
    """Write one part with its delimiter before it."""
    lines = [f"--{B}", f'Content-Disposition: form-data; name="{name}"', *more, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


END = f"--{B}--\r\n".encode()


def contents(body: bytes) -> list[tuple[str | None, bytes]]:
    """List the name and content of each part."""
    return [(one.name, body[one.start : one.end]) for one in find_parts(body, B)]


def test_parts_come_in_their_order() -> None:
    """Every part is found with its name, those of one name too."""
    body = part("note", b"hi") + part("image", b"one") + part("file", b"two") + part("file", b"3")
    assert contents(body + END) == [
        ("note", b"hi"),
        ("image", b"one"),
        ("file", b"two"),
        ("file", b"3"),
    ]


def test_a_form_may_have_no_parts() -> None:
    """A form without anything is well formed."""
    assert find_parts(END, B) == []


def test_empty_part_is_empty() -> None:
    """A part without content is found, as zero bytes, in both ways it is written."""
    assert contents(part("file", b"") + END) == [("file", b"")]
    tight = f'--{B}\r\nContent-Disposition: form-data; name="file"\r\n\r\n--{B}--'.encode()
    assert contents(tight) == [("file", b"")]


@pytest.mark.parametrize(
    ("disposition", "name", "has_filename"),
    [
        ('form-data; name="file"; filename="a.jpg"', "file", True),
        ('form-data; name="file"; filename=""', "file", True),
        ("form-data; name=file; filename*=UTF-8''%e2%82%ac.jpg", "file", True),
        ('form-data; name="file"', "file", False),
        ('form-data; name=""', "", False),
        ("form-data", None, False),
    ],
)
def test_a_part_tells_its_name_and_whether_it_is_a_file(
    disposition: str, name: str | None, has_filename: bool
) -> None:
    """What has a file's name, even an empty one, is told apart from a field."""
    body = f"--{B}\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n".encode() + END
    (found,) = find_parts(body, B)
    assert (found.name, found.has_filename) == (name, has_filename)


def test_a_part_without_a_disposition_has_no_name() -> None:
    """A part whose header says nothing is a part all the same."""
    assert contents(f"--{B}\r\nX: y\r\n\r\nz\r\n".encode() + END) == [(None, b"z")]


@given(st.binary(max_size=400))
def test_any_bytes_survive(content: bytes) -> None:
    """What was put in comes out, byte for byte, as long as it does not hold the delimiter."""
    content = content.replace(b"--" + B.encode(), b"")
    assert contents(part("file", content) + END) == [("file", content)]


def test_almost_a_delimiter_is_content() -> None:
    """A line that only begins like the delimiter belongs to the picture."""
    content = f"a\r\n--{B}x\r\nb".encode()
    assert contents(part("file", content) + END) == [("file", content)]


def test_a_part_has_few_lines_that_are_almost_delimiters() -> None:
    """Looking at each of a million such lines would take a thread for a second."""
    line = f"\r\n--{B}x".encode()
    assert contents(part("file", line * 999) + END) == [("file", line * 999)]
    with pytest.raises(MalformedRequest):
        find_parts(part("file", line * 1001) + END, B)


def test_preamble_epilogue_and_padding_are_allowed() -> None:
    """What RFC 2046 allows around parts does no harm."""
    body = b"preamble\r\n" + part("file", b"x").replace(
        B.encode() + b"\r\n", B.encode() + b" \t\r\n"
    )
    assert contents(body + END + b"epilogue") == [("file", b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no delimiter at all",
        f"--{B}".encode(),
        f"--{B}\r\n".encode(),
        part("file", b"x"),
        part("file", b"x")[:-1],
        f"--{B}\r\nX: {'y' * 9000}\r\n\r\nz\r\n--{B}--".encode(),
        part("a", b"x") * 65 + END,
    ],
)
def test_broken_bodies_are_refused(body: bytes) -> None:
    """Bodies that are cut off, endless or too many parts are malformed."""
    with pytest.raises(MalformedRequest):
        find_parts(body, B)


def test_as_many_parts_as_told_are_taken() -> None:
    """64 parts are read, and the refusal of 65 says so."""
    assert len(find_parts(part("a", b"x") * 64 + END, B)) == 64
    with pytest.raises(MalformedRequest, match="more than 64 parts"):
        find_parts(part("a", b"x") * 65 + END, B)


@pytest.mark.parametrize("boundary", ["", "x" * 250])
def test_unusable_boundaries_are_refused(boundary: str) -> None:
    """A boundary must be there and of sane length."""
    with pytest.raises(MalformedRequest):
        find_parts(b"x", boundary)


@given(st.binary(max_size=300), st.sampled_from([B, "", "-", "\xff", "a b"]))
def test_hostile_bodies_raise_nothing_else(body: bytes, boundary: str) -> None:
    """Whatever the bytes, the answer is parts that lie in the body, or MalformedRequest."""
    try:
        found = find_parts(body, boundary)
    except MalformedRequest:
        return
    assert all(0 < one.start <= one.end <= len(body) for one in found)


def test_an_endless_first_header_is_seen_from_the_start() -> None:
    """A part's header of megabytes is refused by the body's first bytes alone."""
    start = f"--{B}\r\nX: {'y' * START_BYTES}".encode()[:START_BYTES]
    with pytest.raises(MalformedRequest):
        check_start(start, B)


def test_too_many_parts_are_seen_from_the_start() -> None:
    """A body of a hundred thousand parts is refused by its first bytes alone."""
    body = part("a", b"x") * 200
    with pytest.raises(MalformedRequest, match="more than 64 parts"):
        check_start(body[:START_BYTES], B)
    check_start((part("a", b"x") * 64 + part("file", bytes(START_BYTES)))[:START_BYTES], B)


HEADER = 'Content-Disposition: form-data; name="file"\r\n\r\n'


@given(
    st.sampled_from([f"--{B}", f"--{B}--", f"--{B}\r\n", f"\r\n--{B}\r\n", "preamble\r\n"]),
    st.sampled_from(["x", "\r\n", HEADER, "\r\n\r\n"]),
    st.integers(1, 3 * START_BYTES),
)
def test_the_start_condemns_nothing_that_the_whole_would_not(
    opening: str, filling: str, size_bytes: int
) -> None:
    """What is refused by its first bytes would be refused whole."""
    body = (opening + filling).encode().ljust(size_bytes, b"x") + b"\r\n" + END
    try:
        check_start(body[:START_BYTES], B)
    except MalformedRequest:
        with pytest.raises(MalformedRequest):
            find_parts(body, B)
