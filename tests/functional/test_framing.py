"""Where a request ends: the event loop and Gunicorn's parser agree, and nobody reads further.

Each pair in `framing` is a .http, in which only written-out escapes are line breaks and FILL
stands for as many letters as `fill` says, and a .toml: what it is about, and all answers in order.
An answer is its status where it is one of success, else its code. With `may_close` the first may
be the last one where the rest of the request came later than it. Behind most of what is refused
stands a good request, which must not be answered.
"""

import re
import socket
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.functional.wire import HANG_S, answers_in, head, unescape
from tests.live_server import Answer, LiveServer
from tests.pictures import jpeg
from tests.unit.server.gunicorn_parser import requests_in

FOLDER = Path(__file__).parent / "framing"
PAIRS = sorted(FOLDER.glob("*.http"))
MALFORMED = "malformed_request"


def bytes_of(pair: Path) -> tuple[bytes, dict[str, Any]]:
    """Read what is sent, and what is expected."""
    expected = tomllib.loads(pair.with_suffix(".toml").read_text())
    data = unescape(pair.read_bytes())
    return data.replace(b"FILL", b"y" * expected.get("fill", 0)), expected


def name_of(answer: Answer) -> str:
    """Name an answer: its status where it is one of success, else its code."""
    return str(answer.status) if answer.status < 400 else answer.code


def talk(server: LiveServer, pieces: Iterable[bytes], expected: int) -> list[str]:
    """Send pieces, wait for so many answers, end, and name all answers until the server ends."""
    answered = bytearray()
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The server may end a connection while more is sent; what it answered is still there.
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                sock.sendall(piece)
        with suppress(ConnectionResetError):
            while len(answers_in(bytes(answered))) < expected and (received := sock.recv(65536)):
                answered += received
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            while received := sock.recv(65536):
                answered += received
    found = answers_in(bytes(answered))
    assert answered.count(b"HTTP/1.") == len(found), bytes(answered)
    return [name_of(one) for one in found]


def cut_in_lines(data: bytes) -> Iterator[bytes]:
    """Cut data within every line break, so that each arrives in two halves."""
    for line in re.split(rb"(?<=\r)", data):
        yield line
        time.sleep(0.0005)


@pytest.fixture(autouse=True)
def worker_lives_on(alone: LiveServer) -> Iterator[None]:
    """Fail a test that ends a worker or meets something unforeseen, and any answer of 5xx."""
    before = alone.worker_pids()
    yield
    assert alone.worker_pids() == before
    assert not alone.events("unforeseen_error")
    assert not [one for one in alone.events("request") if one["status"] >= 500]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.stem)
def test_answers_are_those_expected(alone: LiveServer, pair: Path) -> None:
    """What is sent at once has these answers and no others."""
    data, expected = bytes_of(pair)
    assert talk(alone, [data], len(expected["answers"])) == expected["answers"], expected["what"]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.stem)
def test_answers_are_the_same_in_pieces(alone: LiveServer, pair: Path) -> None:
    """However it is cut on its way, it has the same answers."""
    data, expected = bytes_of(pair)
    answers = expected["answers"]
    found = talk(alone, cut_in_lines(data), 1 if expected.get("may_close") else len(answers))
    assert found in (answers, answers[:1] if expected.get("may_close") else answers)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.stem)
def test_the_parser_alone_says_the_same(pair: Path) -> None:
    """As many requests are answered as Gunicorn's parser finds; what it refuses is refused."""
    data, expected = bytes_of(pair)
    answers = expected["answers"]
    paths, is_whole = requests_in(data)
    if expected.get("is_own_limit"):
        assert answers == [MALFORMED]
        assert len(paths) > 1
        return
    assert len(paths) == sum(one != MALFORMED for one in answers)
    assert (MALFORMED in answers) <= (not is_whole)
    assert MALFORMED not in answers[:-1]


def test_pairs_are_numbered_without_gaps() -> None:
    """Every .http has its .toml, from 000 on, and says in one sentence what it is about."""
    assert [pair.stem for pair in PAIRS] == [f"{number:03}" for number in range(len(PAIRS))]
    assert [one.stem for one in sorted(FOLDER.glob("*.toml"))] == [pair.stem for pair in PAIRS]
    sentences = [bytes_of(pair)[1]["what"] for pair in PAIRS]
    assert all(one.endswith(".") for one in sentences)
    assert len(set(sentences)) == len(PAIRS)


def upload(size: int, *rest: bytes, **headers: str) -> bytes:
    """Write the head of an upload of so many bytes."""
    given = {"Content_Type": "image/jpeg", "Content_Length": str(size)} | headers
    return head("POST", "/predict", **given) + b"".join(rest)


def test_a_client_that_waits_is_told_once_to_continue(alone: LiveServer) -> None:
    """The body is asked for once, whether a thread or the loop reads it, and then answered."""
    picture = jpeg()
    with socket.create_connection(("127.0.0.1", alone.port), timeout=HANG_S) as sock:
        for _ in range(3):
            sock.sendall(upload(len(picture), Expect="100-continue"))
            assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            for start in range(0, len(picture), 500):
                sock.sendall(picture[start : start + 500])
                time.sleep(0.001)
            answered = sock.recv(65536)
            assert [one.status for one in answers_in(answered)] == [200]


@pytest.mark.parametrize(
    "headers",
    [{"Content_Length": "11000000"}, {"Content_Type": "text/plain"}],
    ids=["too large", "not read here"],
)
def test_a_client_that_waits_is_refused_by_its_head(
    alone: LiveServer, headers: dict[str, str]
) -> None:
    """What is refused by the head alone is told so, and nobody is asked for the body."""
    with socket.create_connection(("127.0.0.1", alone.port), timeout=HANG_S) as sock:
        sock.sendall(upload(1000, **headers, Expect="100-continue"))
        answered = bytearray()
        while received := sock.recv(65536):
            answered += received
        (answer,) = answers_in(bytes(answered))
    assert answer.status in (413, 415)
    assert answer.headers["Connection"] == "close"
