"""One connection over a real pair of sockets: heads, bodies, what is behind them, slow readers."""

import socket
from collections.abc import Iterator
from math import inf
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.server.connection import MAX_HEAD_BYTES, MAX_UNSENT_BYTES, Connection
from topfive.server.http import Head
from topfive.server.upload import Work

HEAD = b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
NEXT = b"GET /livez HTTP/1.1\r\n\r\n"


class Pair:
    """A connection, and the client at its other end."""

    def __init__(self) -> None:
        sock, self.client = socket.socketpair()
        self.client.settimeout(5)
        self.conn = Connection(sock, ("127.0.0.1", 1), ("127.0.0.1", 2))

    def arrive(self, *pieces: bytes) -> None:
        """Have pieces arrive at the connection, as the event loop reads them."""
        for piece in pieces:
            self.conn.received += piece

    def begin(
        self, *pieces: bytes, body_bytes: int | None = 5, wants_continue: bool = False
    ) -> None:
        """Have a head and what follows it arrive, and note the head as parsed."""
        self.arrive(*pieces)
        assert self.conn.find_head() is not None
        self.conn.begin_body(Head(Work.PREDICTION, body_bytes, wants_continue, "", None))

    def close(self) -> None:
        """Close both ends."""
        self.conn.close()
        self.client.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A connection and its client."""
    one = Pair()
    yield one
    one.close()


@given(st.lists(st.integers(0, len(HEAD) + 9), max_size=4))
def test_a_head_is_found_however_it_is_cut(cuts: list[int]) -> None:
    """The head is returned once it is whole, with not one byte of the body."""
    pair, found, data = Pair(), None, HEAD + b"abcde" + NEXT
    for stop in [*sorted(cuts), len(data)]:
        pair.arrive(data[len(pair.conn.received) : stop])
        found = found or pair.conn.find_head()
    assert (found, pair.conn.head_bytes) == (HEAD, len(HEAD))
    pair.close()


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\nHost: x", b"GET / HTTP/1.1\r\nHost: x\nX: "])
def test_a_bare_line_feed_is_not_waited_on(pair: Pair, start: bytes) -> None:
    """What cannot become a head goes to the parser at once, which refuses it."""
    pair.arrive(start)
    assert pair.conn.find_head() == start


@pytest.mark.parametrize("over", [0, 1, 100_000])
@pytest.mark.parametrize("step", [1000, 65_536, 1_000_000])
def test_a_head_has_a_largest_size_however_it_is_cut(pair: Pair, over: int, step: int) -> None:
    """A head of just so many bytes is whole; one byte more and it has no end for the parser."""
    line = b"GET / HTTP/1.1\r\nX: "
    head = line + b"y" * (MAX_HEAD_BYTES - len(line) - 4 + over) + b"\r\n\r\n"
    found = None
    for start in range(0, len(head), step):
        pair.arrive(head[start : start + step])
        found = found or pair.conn.find_head()
    assert found is not None
    assert found.endswith(b"\r\n\r\n") == (over == 0)
    assert len(found) <= MAX_HEAD_BYTES


@pytest.mark.parametrize(
    ("body", "missing"), [(b"", 5), (b"abc", 2), (b"abcde", 0), (b"abcde" + NEXT, 0)]
)
def test_missing_bytes_of_a_known_length(pair: Pair, body: bytes, missing: int) -> None:
    """What has not come of the body is missing, and the next request is not part of it."""
    pair.begin(HEAD + body)
    assert pair.conn.missing_bytes() == missing


def test_missing_bytes_of_chunks(pair: Pair) -> None:
    """Nobody knows how much is missing of chunks until their end is there."""
    pair.begin(HEAD, body_bytes=None)
    for piece in (b"3\r\n", b"abc\r\n", b"0\r\n"):
        assert pair.conn.missing_bytes() == inf
        pair.arrive(piece)
    pair.arrive(b"\r\n" + NEXT)
    assert pair.conn.missing_bytes() == 0
    pair.conn.take_request()
    assert (pair.conn.body, bytes(pair.conn.received)) == (b"3\r\nabc\r\n0\r\n\r\n", NEXT)


def test_broken_chunks_have_no_end(pair: Pair) -> None:
    """A size that is none is not waited on."""
    pair.begin(HEAD + b"x\r\n", body_bytes=None)
    with pytest.raises(ValueError, match="not a number"):
        pair.conn.missing_bytes()


def test_a_request_is_taken_and_the_next_one_stays(pair: Pair) -> None:
    """A thread gets the whole body; what is behind it belongs to the next request."""
    pair.begin(HEAD + b"abcde" + NEXT)
    pair.conn.take_request()
    assert (pair.conn.body, pair.conn.body_is_missing) == (b"abcde", False)
    assert pair.conn.taken_bytes == len(HEAD) + 5
    assert bytes(pair.conn.received) == NEXT
    pair.conn.begin_again()
    assert pair.conn.find_head() == NEXT


def test_a_request_is_taken_before_it_is_whole(pair: Pair) -> None:
    """A thread that reads the rest itself is told that something is missing."""
    pair.begin(HEAD + b"abc")
    pair.conn.take_request()
    assert (pair.conn.body, pair.conn.body_is_missing) == (b"abc", True)
    pair.client.sendall(b"de")
    assert pair.conn.receive(100, monotonic() + 5) == b"de"
    assert pair.conn.streamed_bytes == 2


@pytest.mark.parametrize(
    ("arrived", "sent", "is_whole"),
    [
        (HEAD + b"abcde", b"", True),
        (HEAD + b"abc", b"de", True),
        (HEAD, b"abcde", True),
        (HEAD + b"abc", b"", False),
        (HEAD + b"abc", b"d", False),
        (HEAD + b"abcde" + NEXT, b"", False),
    ],
)
def test_a_refused_request_is_thrown_away(
    pair: Pair, arrived: bytes, sent: bytes, is_whole: bool
) -> None:
    """The connection can go on only where exactly one request was there, partly in the kernel."""
    pair.begin(arrived)
    pair.client.sendall(sent)
    assert pair.conn.discard_request() == is_whole
    assert not pair.conn.received
    assert pair.conn.head is None


def test_what_is_behind_a_refused_request_is_not_thrown_away_as_its_body(pair: Pair) -> None:
    """Of what waits in the kernel only the body that was announced is taken."""
    pair.begin(HEAD + b"abc")
    pair.client.sendall(b"de" + NEXT)
    assert pair.conn.discard_request()
    assert pair.conn.sock.recv(100) == NEXT


@pytest.mark.parametrize(
    ("body", "is_whole"), [(b"abcde", True), (b"abc", False), (b"abcde" + NEXT, False)]
)
def test_a_request_that_was_taken_is_refused_too(pair: Pair, body: bytes, is_whole: bool) -> None:
    """What waited for a thread in vain was whole if nothing of it is missing or behind it."""
    pair.begin(HEAD + body)
    pair.conn.take_request()
    assert pair.conn.discard_request() == is_whole


def test_chunks_that_are_refused_midway_are_not_whole(pair: Pair) -> None:
    """Where nobody knows the end the connection cannot go on."""
    pair.begin(HEAD + b"3\r\nabc\r\n", body_bytes=None)
    assert not pair.conn.discard_request()


@pytest.mark.parametrize(("wants_continue", "told"), [(True, 1), (False, 0)])
def test_a_client_is_told_to_continue_once(pair: Pair, wants_continue: bool, told: int) -> None:
    """Only a client that waits for it is told, and not twice for one request."""
    pair.begin(HEAD, wants_continue=wants_continue)
    pair.conn.tell_to_continue()
    pair.conn.tell_to_continue()
    pair.conn.close()
    assert pair.client.recv(1000) == told * b"HTTP/1.1 100 Continue\r\n\r\n"


def test_waiting_for_a_client_has_an_end(pair: Pair) -> None:
    """Nothing comes: the thread goes on at its time, and not later."""
    with pytest.raises(TimeoutError):
        pair.conn.receive(10, monotonic() - 1)
    with pytest.raises(TimeoutError):
        pair.conn.receive(10, monotonic() + 0.01)


def test_a_client_that_ends_sends_nothing_more(pair: Pair) -> None:
    """The end of what a client sends reads as no bytes."""
    assert not pair.conn.has_gone()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.conn.receive(10, monotonic() + 5) == b""
    assert pair.conn.has_gone()


def test_small_answers_are_sent_in_one_piece(pair: Pair) -> None:
    """Nothing is sent before `flush`, and all of it then."""
    pair.conn.sendall(b"head")
    pair.conn.sendall(b"body")
    pair.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        pair.client.recv(10)
    assert pair.conn.flush() is True
    assert pair.client.recv(10) == b"headbody"
    assert pair.conn.sent_bytes == 8


def test_what_a_client_does_not_read_is_kept(pair: Pair) -> None:
    """A large answer waits for its client, and arrives whole and in order."""
    answer = bytes(range(256)) * 8192
    pair.conn.sendall(answer)
    assert pair.conn.flush() is False
    got = bytearray()
    while pair.conn.flush() is False:
        got += pair.client.recv(1 << 20)
    pair.conn.close()
    while piece := pair.client.recv(1 << 20):
        got += piece
    assert got == answer


def test_a_client_that_reads_nothing_costs_bounded_memory(pair: Pair) -> None:
    """Beyond so many bytes its answer is given up."""
    pieces = [bytes(MAX_UNSENT_BYTES // 8)] * 100
    with pytest.raises(BrokenPipeError):
        list(map(pair.conn.sendall, pieces))
    assert len(pair.conn.unsent) < 2 * MAX_UNSENT_BYTES


def test_a_client_that_has_gone_is_noticed(pair: Pair) -> None:
    """Sending to it tells so."""
    pair.client.close()
    pair.conn.unsent += b"x"
    assert pair.conn.flush() is None
    with pytest.raises(BrokenPipeError):
        pair.conn.sendall(bytes(1 << 20))


def test_a_closed_connection_says_so(pair: Pair) -> None:
    """Its descriptor is given back."""
    assert not pair.conn.is_closed
    pair.conn.close()
    assert pair.conn.is_closed
