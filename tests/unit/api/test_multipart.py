"""The part that holds the picture is found, whatever else the body holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.api.multipart import START_BYTES, check_start, find_part
from topfive.errors import MalformedRequest

B = "frontier"
NAMES = ("file", "image")


def part(name: str, content: bytes, *more: str) -> bytes:
    """Write one part with its delimiter before it."""
    lines = [f"--{B}", f'Content-Disposition: form-data; name="{name}"', *more, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


END = f"--{B}--\r\n".encode()


def test_first_named_part_wins() -> None:
    """Other fields are passed over, and a second picture is not looked at."""
    body = part("note", b"hi") + part("image", b"one") + part("file", b"two") + END
    assert find_part(body, B, NAMES) == b"one"


def test_no_named_part_is_none() -> None:
    """A form without a picture is well formed, but has none."""
    assert find_part(part("note", b"hi") + END, B, NAMES) is None
    assert find_part(END, B, NAMES) is None


def test_empty_part_is_empty() -> None:
    """A part without content is found, as zero bytes, in both ways it is written."""
    assert find_part(part("file", b"") + END, B, NAMES) == b""
    tight = f'--{B}\r\nContent-Disposition: form-data; name="file"\r\n\r\n--{B}--'.encode()
    assert find_part(tight, B, NAMES) == b""


@given(st.binary(max_size=400))
def test_any_bytes_survive(content: bytes) -> None:
    """What was put in comes out, byte for byte, as long as it does not hold the delimiter."""
    content = content.replace(b"--" + B.encode(), b"")
    assert find_part(part("file", content) + END, B, NAMES) == content


def test_almost_a_delimiter_is_content() -> None:
    """A line that only begins like the delimiter belongs to the picture."""
    content = f"a\r\n--{B}x\r\nb".encode()
    assert find_part(part("file", content) + END, B, NAMES) == content


def test_preamble_epilogue_and_padding_are_allowed() -> None:
    """What RFC 2046 allows around parts does no harm."""
    body = b"preamble\r\n" + part("file", b"x").replace(
        B.encode() + b"\r\n", B.encode() + b" \t\r\n"
    )
    assert find_part(body + END + b"epilogue", B, NAMES) == b"x"


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
        find_part(body, B, NAMES)


@pytest.mark.parametrize("boundary", ["", "x" * 250])
def test_unusable_boundaries_are_refused(boundary: str) -> None:
    """A boundary must be there and of sane length."""
    with pytest.raises(MalformedRequest):
        find_part(b"x", boundary, NAMES)


@given(st.binary(max_size=300), st.sampled_from([B, "", "-", "\xff", "a b"]))
def test_hostile_bodies_raise_nothing_else(body: bytes, boundary: str) -> None:
    """Whatever the bytes, the answer is a part, none, or MalformedRequest."""
    try:
        found = find_part(body, boundary, NAMES)
    except MalformedRequest:
        return
    assert found is None or isinstance(found, bytes)


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
            find_part(body, B, NAMES)
