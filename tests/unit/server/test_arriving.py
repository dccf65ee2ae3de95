"""A body that arrives: what has come of it is known, and given out as it is asked for."""

import io

from hypothesis import given
from hypothesis import strategies as st

from topfive.server.arriving import ArrivingBody, Portions


def test_of_what_has_come_a_line_or_so_many_bytes_are_given() -> None:
    """A chunk's size is a line, its data so many bytes; what follows is left."""
    portions = Portions()
    assert not portions
    assert portions.take(None, b"3\r\nabc\r\n2\r\nde") == b"3\r\n"
    assert portions.take(3) == b"abc"
    assert portions
    assert portions.take(None) == b"\r\n"
    assert portions.take_all() == b"2\r\nde"
    assert portions.take(None) == b""


def test_the_line_break_behind_a_chunk_is_nothing_to_read() -> None:
    """Whoever waits for the next chunk is not told that there is one."""
    portions = Portions()
    portions.take(3, b"abc\r\n")
    assert not portions


@given(data=st.binary(max_size=100), sizes=st.lists(st.none() | st.integers(1, 20)))
def test_nothing_is_lost_and_nothing_given_twice(data: bytes, sizes: list[int | None]) -> None:
    """However it is asked for, all that has come is given once, in its order."""
    portions = Portions()
    given_out = portions.take(1, data)
    for size in sizes:
        piece = portions.take(size)
        assert len(piece) <= (size or len(data))
        given_out += piece
    assert given_out + portions.take_all() == data


def test_a_body_tells_whether_reading_would_wait() -> None:
    """What has been read from the connection counts; else it is asked for how long to wait."""
    asked: list[float] = []
    ready = [1]

    def wait(timeout_s: float) -> bool:
        asked.append(timeout_s)
        return False

    body = ArrivingBody(io.BytesIO(b"abc"), lambda: ready[0], wait=wait)
    assert body.has_come(0.5)
    ready[0] = 0
    assert not body.has_come(0.5)
    assert asked == [0.5]


def test_a_body_that_is_broken_has_something_to_tell() -> None:
    """The failure is not waited for."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise TimeoutError

    body = ArrivingBody(Broken(), lambda: 0, wait=lambda _timeout_s: False)
    assert not body.has_come(0.0)
    try:
        body.read1()
    except TimeoutError:
        assert body.has_come(0.0)
