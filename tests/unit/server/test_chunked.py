"""Where a chunked body ends: in one piece or many, and never elsewhere than where it is decoded."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.server.gunicorn_parser import end_of_chunks
from topfive.server.chunked import MAX_CHUNKS, ChunkedBody

GOOD = [
    ("an empty body", b"0\r\n\r\n"),
    ("one chunk", b"3\r\nabc\r\n0\r\n\r\n"),
    ("several chunks", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    ("line breaks inside chunks", b"4\r\n\r\n\r\n\r\n0\r\n\r\n"),
    ("what looks like an end inside a chunk", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ("hexadecimal digits of both cases", b"00a\r\n0123456789\r\n0A\r\n0123456789\r\n0\r\n\r\n"),
    ("many zeros as the last size", b"0000\r\n\r\n"),
    ("many zeros before a size", b"0" * 99 + b"3\r\nabc\r\n0\r\n\r\n"),
    ("an extension", b"3;name=value\r\nabc\r\n0\r\n\r\n"),
    ("a quoted extension", b'3 ; name="a;b"\r\nabc\r\n0\r\n\r\n'),
    ("an extension of the last chunk", b"0;last\r\n\r\n"),
    ("trailers", b"3\r\nabc\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n"),
]
BROKEN = [
    ("no digits", b"\r\nabc\r\n"),
    ("no number", b"x\r\nabc\r\n"),
    ("a negative size", b"-3\r\nabc\r\n"),
    ("a sign", b"+3\r\nabc\r\n"),
    ("a prefix", b"0x3\r\nabc\r\n"),
    ("an underscore", b"1_0\r\nabc\r\n"),
    ("digits of another script", "\u0663\r\nabc\r\n".encode()),
    ("an extension but no size", b";name=value\r\nabc\r\n"),
    ("a size without an end", b"3;" + b"x" * 5000),
    ("a second size that is none", b"3\r\nabc\r\nxyz\r\n"),
    ("trailers without an end", b"0\r\nX: " + b"y" * 17_000),
]
BEHIND = b"GET / HTTP/1.1\r\n\r\n0\r\n\r\n"


def find_end(body: bytes, start: int = 0, pieces: tuple[int, ...] = ()) -> int | str | None:
    """Feed a body in pieces that end at these places, then whole; "broken" where it is refused."""
    chunks, received = ChunkedBody(start), bytearray()
    try:
        for stop in [*sorted(pieces), len(body)]:
            received += body[len(received) : stop]
            end = chunks.find_end(received)
            if end is not None:
                return end
    except ValueError:
        return "broken"
    return None


def chunks_of(parts: list[bytes], extension: bytes, trailers: bytes) -> bytes:
    """Write parts as the chunks of one body."""
    lines = [b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts if part]
    return b"".join(lines) + b"0\r\n" + trailers + b"\r\n"


bodies = st.builds(
    chunks_of,
    st.lists(st.binary(max_size=40), max_size=6),
    st.sampled_from([b"", b";a", b";a=1", b' ; a="b"']),
    st.sampled_from([b"", b"X: 1\r\n", b"X: 1\r\nY: 2\r\n"]),
)
# Where bytes are exchanged, they are exchanged for those that mean something.
telling = st.sampled_from([b"\r", b"\n", b"\r\n", b"0", b"1", b"f", b";", b" ", b"-", b"\0", b"x"])
changes = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 2), telling), max_size=4)


@pytest.mark.parametrize("body", [body for _, body in GOOD], ids=[what for what, _ in GOOD])
def test_the_end_is_found(body: bytes) -> None:
    """The end is behind the last empty line, whatever lies before and behind the body."""
    assert find_end(body) == len(body) == end_of_chunks(body)
    assert find_end(b"HEAD" + body + BEHIND, start=4) == 4 + len(body)


@pytest.mark.parametrize("body", [body for _, body in GOOD], ids=[what for what, _ in GOOD])
def test_nothing_is_found_before_the_end(body: bytes) -> None:
    """Of a body of which the last byte is missing nobody knows the end."""
    assert [find_end(body[:count]) for count in range(len(body))] == [None] * len(body)


@pytest.mark.parametrize("body", [body for _, body in BROKEN], ids=[what for what, _ in BROKEN])
def test_broken_chunks_are_refused(body: bytes) -> None:
    """What is no size is refused as soon as its line is there, and an endless line is too."""
    assert find_end(body) == "broken"
    assert find_end(body, pieces=tuple(range(len(body)))) == "broken"


def test_a_body_of_countless_chunks_is_refused() -> None:
    """As many chunks as are allowed, the last one included, and not one more."""
    one = b"1\r\nx\r\n"
    whole = one * (MAX_CHUNKS - 1) + b"0\r\n\r\n"
    assert find_end(whole) == len(whole)
    assert find_end(one + whole) == "broken"


@pytest.mark.parametrize("digits", [15, 17, 4000])
def test_a_huge_chunk_has_no_end(digits: int) -> None:
    """What nobody will ever send whole is waited for; what is collected meanwhile is bounded."""
    assert find_end(b"f" * digits + b"\r\nabc\r\n0\r\n\r\n") is None


@given(bodies, st.lists(st.integers(0, 300), max_size=8), st.binary(max_size=20))
def test_cutting_changes_nothing(body: bytes, pieces: list[int], behind: bytes) -> None:
    """However a body is cut on its way, its end is found at the same place."""
    assert find_end(body + behind, pieces=tuple(pieces)) == len(body)


@given(bodies, changes, st.lists(st.integers(0, 300), max_size=4))
@example(b"3 \r\nabc\r\n0\r\n\r\n", [], [])
@example(b" 3\r\nabc\r\n0\r\n\r\n", [], [])
@example(b"3\r\nabcXX0\r\n\r\n", [], [])
@example(b"0\r\n\n\r\n\r\n", [], [])
def test_the_parser_ends_where_the_scanner_says(
    body: bytes, changed: list[tuple[int, int, bytes]], pieces: list[int]
) -> None:
    """Where an end is found, Gunicorn's parser consumes exactly so much, or refuses the body."""
    for at, count, put in changed:
        body = body[:at] + put + body[at + count :]
    end = find_end(body, pieces=tuple(pieces))
    decoded_end = end_of_chunks(body)
    if isinstance(end, int):
        assert decoded_end in (None, end)
        assert end_of_chunks(body[:end]) == decoded_end
    else:
        # What is refused or waited for here is never a request there.
        assert decoded_end is None


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_any_bytes_have_one_verdict(body: bytes, pieces: list[int]) -> None:
    """Random bytes are judged alike whole and in pieces, and as Gunicorn's parser does."""
    end = find_end(body)
    assert find_end(body, pieces=tuple(pieces)) == end
    assert end_of_chunks(body) in (None, end)
