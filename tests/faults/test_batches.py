"""Batches that are wrong, cut off, endless or abandoned: each its error, and others are served."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import IncompleteRead
from itertools import repeat
from pathlib import Path

import pytest

from tests.faults.batch_requests import (
    FORM,
    JSON,
    LINES,
    codes,
    form_batch,
    json_batch,
    lines,
    resident_bytes,
    send,
    uploading,
)
from tests.functional.wire import chunked
from tests.live_server import BOUNDARY, LiveServer, form_of, run_server
from tests.pictures import draw, encode, jpeg

MIB = 1024**2
WITHIN_S = 45
GOOD = jpeg()
# What every picture of a batch may take beside its neighbours, and Python's own rests.
MOST_MORE_BYTES = 120 * MIB


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with one worker, the tiny model and the usual limits of a batch."""
    folder = tmp_path_factory.mktemp("batches")
    with run_server(folder, model=str(tiny_folder), slots="1") as running:
        assert codes(send(running, form_batch([GOOD])).json["results"]) == ["ok"]
        yield running


@pytest.fixture(autouse=True)
def _still_serves(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each fault single pictures and batches are answered, and no line says what was sent."""
    yield
    if "server" in request.fixturenames:
        running: LiveServer = request.getfixturevalue("server")
        assert running.upload(GOOD).status == 200
        assert codes(send(running, form_batch([GOOD, GOOD])).json["results"]) == ["ok", "ok"]
        assert not running.events("unforeseen_error")


@pytest.fixture(params=[(FORM, form_batch), (JSON, json_batch)], ids=["form", "json"])
def way(request: pytest.FixtureRequest) -> tuple[str, Callable[..., bytes]]:
    """Both ways to write a batch: its content type, and what makes it."""
    return request.param


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for what comes by itself."""
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, what
        time.sleep(0.05)


def count_inferences(server: LiveServer) -> int:
    """Read from the metrics how many pictures were inferred so far."""
    found = server.get("/metrics").body.decode().splitlines()
    counts = [one for one in found if one.startswith("topfive_inference_seconds_count")]
    return int(sum(float(one.split()[-1]) for one in counts))


def count_when_idle(server: LiveServer) -> int:
    """Count once what was under way is counted too: the number stands still."""
    found = count_inferences(server)
    while True:
        time.sleep(0.5)
        if found == (found := count_inferences(server)):
            return found


def test_a_picture_too_many_is_told(server: LiveServer, way) -> None:
    """The 65th ends the batch: the whole answer's failure in JSON, the last of the lines else."""
    kind, write = way
    body = write([GOOD] * 65)
    assert send(server, body, kind).code == "batch_too_large"
    found = lines(send(server, body, kind, LINES))
    assert codes(found) == ["ok"] * 64 + ["batch_too_large"]


def test_an_empty_batch_is_told(server: LiveServer, way) -> None:
    """A batch without pictures is a mistake of its sender."""
    kind, write = way
    for accept in (JSON, LINES):
        assert send(server, write([]), kind, accept).code == "missing_file"


def test_a_batch_of_bad_pictures_is_answered(server: LiveServer, way) -> None:
    """Each has its own failure, in order, and the batch itself has none."""
    kind, write = way
    bad = [b"no picture at all", GOOD[:300], b"", encode(draw(4, 4), "PNG")[:40]]
    wanted = ["unsupported_format", "invalid_image", "empty_file", "invalid_image"]
    answer = send(server, write(bad), kind)
    assert answer.status == 200
    assert codes(answer.json["results"]) == wanted
    assert codes(lines(send(server, write(bad), kind, LINES))) == wanted


def test_a_picture_of_11_mb_is_one_failure(server: LiveServer, way) -> None:
    """It is told as too large, and those before and behind it are classified."""
    kind, write = way
    body = write([GOOD, GOOD[:-2] + bytes(11 * MIB) + GOOD[-2:], GOOD])
    for accept in (JSON, LINES):
        answer = send(server, body, kind, accept)
        results = lines(answer) if accept == LINES else answer.json["results"]
        assert codes(results) == ["ok", "file_too_large", "ok"]


@pytest.mark.parametrize("text", ["not base64!", "QUJ", "\u00e9", "data:image/jpeg;base64,QUJD"])
def test_base64_that_is_none_is_one_failure(server: LiveServer, text: str) -> None:
    """The picture is refused in words, the others are classified."""
    document = json.loads(json_batch([GOOD, GOOD]))
    document["images"].insert(1, text)
    answer = send(server, json.dumps(document).encode(), JSON)
    assert answer.status == 200
    assert codes(answer.json["results"]) == ["ok", "invalid_parameter", "ok"]


NO_BATCHES = {
    "no object": b"[]",
    "no JSON": b'{"images": [',
    "nothing": b"{}",
    "another name": b'{"pictures": []}',
    "images is a text": b'{"images": "QUJD"}',
    "a number in place of a picture": b'{"images": [1]}',
    "an object in place of a picture": b'{"images": [{"b64": "QUJD"}]}',
    "rests behind it": b'{"images": ["QUJD"]} and more',
    "no UTF-8": b'{"images": ["\xff\xfe"]}',
    "zero": b"\0" * 100,
}


@pytest.mark.parametrize("what", NO_BATCHES)
def test_json_that_is_no_batch_is_told(server: LiveServer, what: str) -> None:
    """It is 400 with a sentence, or one failed result, whichever way the answer is asked for."""
    for accept in (JSON, LINES):
        answer = send(server, NO_BATCHES[what], JSON, accept)
        if answer.status == 200:
            results = lines(answer) if accept == LINES else answer.json["results"]
            assert "ok" not in codes(results)
        else:
            assert answer.status == 400
            assert answer.json["detail"].endswith(".")


def json_bombs() -> dict[str, Iterator[bytes]]:
    """Make JSON that grows without end, in pieces."""
    return {
        "deep nesting": iter([b'{"images": ' + b"[" * (8 * MIB)]),
        "deep objects": iter([b'{"a":' * (8 * MIB // 5)]),
        "a text of 100 MB": repeated(b'{"images": ["', b"A" * MIB),
        "a name of 100 MB": repeated(b'{"', b"A" * MIB),
        "a number of 100 MB": repeated(b'{"images": [', b"1" * MIB),
        "a million pictures": repeated(b'{"images": [', b'"",' * (MIB // 3)),
        "millions of fields": many_members(),
        "100 MB of spaces": repeated(b'{"images": [', b" " * MIB),
    }


def many_members() -> Iterator[bytes]:
    """Give a JSON object that has a new member again and again, in pieces of a megabyte."""
    yield b"{"
    for start in range(0, 10**7, 10**5):
        yield b"".join(b'"%x":1,' % number for number in range(start, start + 10**5))


def form_bombs() -> dict[str, Iterator[bytes]]:
    """Make forms that grow without end, in pieces."""
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    field = begin + b'name="top_k"\r\n\r\n5\r\n'
    return {
        "millions of fields": repeated(b"", field * (MIB // len(field))),
        "a field of 100 MB": repeated(begin + b'name="top_k"\r\n\r\n', b"5" * MIB),
        "a header of 100 MB": repeated(begin + b'name="', b"a" * MIB),
        "100 MB before the first part": repeated(b"", b"a" * MIB),
        "a million pictures": repeated(b"", (begin + b'name="file"\r\n\r\n\r\n') * 15_000),
    }


def repeated(begin: bytes, piece: bytes) -> Iterator[bytes]:
    """Give a beginning, then one piece so often that it is 100 MB."""
    yield begin
    yield from repeat(piece, 100 * MIB // len(piece))


TOO_MUCH = ("malformed_request", "file_too_large", "batch_too_large", "invalid_parameter")


@pytest.mark.parametrize("kind", json_bombs())
def test_a_json_bomb_ends_early(server: LiveServer, kind: str) -> None:
    """It is refused after a few megabytes, and never lies in memory."""
    assert explode(server, JSON, json_bombs()[kind]) in TOO_MUCH


@pytest.mark.parametrize("kind", form_bombs())
def test_a_form_bomb_ends_early(server: LiveServer, kind: str) -> None:
    """So it is with forms."""
    assert explode(server, FORM, form_bombs()[kind]) in TOO_MUCH


def explode(server: LiveServer, kind: str, pieces: Iterator[bytes]) -> str:
    """Send a bomb; returns the code of its answer, having looked at the memory meanwhile."""
    before = most = resident_bytes(server)
    with uploading(server, 200 * MIB, kind, JSON) as upload:
        # What does not fit is announced: the end of the body never comes.
        for piece in pieces:
            if not upload.send(piece):
                break
            most = max(most, resident_bytes(server))
        code = upload.answer().code
        most = max(most, resident_bytes(server))
    assert most - before < MOST_MORE_BYTES, f"{(most - before) // MIB} MiB more"
    return code


def test_a_picture_of_100_mb_fails_alone(server: LiveServer) -> None:
    """It is read to its end, and never lies in memory."""
    before = most = resident_bytes(server)
    begin, end = form_batch([GOOD, b"of 100 MB", GOOD]).split(b"of 100 MB")
    with uploading(server, len(begin) + 100 * MIB + len(end)) as upload:
        for piece in (begin, *repeat(b"a" * MIB, 100), end):
            assert upload.send(piece)
            most = max(most, resident_bytes(server))
        assert codes(lines(upload.answer())) == ["ok", "file_too_large", "ok"]
    assert most - before < MOST_MORE_BYTES


def test_240_mb_of_pictures_never_lie_in_memory(server: LiveServer) -> None:
    """A body is read as its pictures are classified: a few of them are held at a time."""
    picture = encode(draw(1150, 1150), "BMP")
    body = form_batch([picture] * 60)
    assert len(body) > 225 * MIB
    before = most = resident_bytes(server)
    with uploading(server, len(body)) as upload:
        for start in range(0, len(body), 4 * MIB):
            assert upload.send(body[start : start + 4 * MIB])
            most = max(most, resident_bytes(server))
        assert codes(lines(upload.answer())) == ["ok"] * 60
    assert most - before < MOST_MORE_BYTES


def test_too_many_bytes_are_told_unread(server: LiveServer) -> None:
    """An announced length of gigabytes is 413 at once, without a byte of it."""
    for accept in (JSON, LINES):
        with uploading(server, 10**12, accept=accept) as upload:
            assert upload.answer().code == "batch_too_large"


def test_a_form_that_is_cut_off_is_told(server: LiveServer) -> None:
    """What came whole before is answered in lines, then what is wrong; in JSON it is all."""
    whole = form_batch([GOOD] * 3)
    cut = whole[: -len(GOOD) // 2]
    assert send(server, cut).code == "malformed_request"
    assert codes(lines(send(server, cut, FORM, LINES))) == ["ok", "ok", "malformed_request"]


def test_a_batch_in_chunks_is_read(server: LiveServer) -> None:
    """A client that does not know its length is answered all the same."""
    with uploading(server, None) as upload:
        for chunk in chunked(form_batch([GOOD] * 10), 1000):
            assert upload.send(chunk)
        assert codes(lines(upload.answer())) == ["ok"] * 10


@pytest.mark.parametrize("broken", [b"no number\r\n", b"5\r\nabcdefgh\r\n"])
def test_a_broken_chunk_ends_a_batch(server: LiveServer, broken: bytes) -> None:
    """What came before it is answered, and the connection is not used again."""
    begun = form_batch([GOOD] * 3)[: -len(GOOD) // 2]
    with uploading(server, None) as upload:
        upload.send(b"".join(chunked(begun)).removesuffix(b"0\r\n\r\n"))
        response = upload.response()
        found = [json.loads(response.readline()) for _ in range(2)]
        upload.send(broken)
        found += map(json.loads, response.read().splitlines())
        assert codes(found) == ["ok", "ok", "malformed_request"]
        assert upload.socket.recv(1) == b""


def test_a_connection_serves_batch_after_batch(server: LiveServer) -> None:
    """Failed pictures do not end it, and single pictures and health fit in between."""
    connection = server.connect()
    for accept in (LINES, JSON, LINES):
        body = form_batch([GOOD, b"no picture", GOOD])
        connection.request("POST", "/predict/batch", body, {"Content-Type": FORM, "Accept": accept})
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection")) == (200, "keep-alive")
        response.read()
        sock = connection.sock
        for method, path, picture in (("POST", "/predict", GOOD), ("GET", "/health", None)):
            connection.request(method, path, picture, {"Content-Type": "image/jpeg"})
            assert connection.getresponse().read()
        assert connection.sock is sock is not None
    connection.close()


def test_what_is_wrong_with_the_request_is_told_before_its_body(server: LiveServer) -> None:
    """An unknown field, model or type of body is an answer, though nothing has been sent yet."""
    for path, kind, code in (
        ("/predict/batch?topk=5", FORM, "invalid_parameter"),
        ("/predict/batch", "image/jpeg", "unsupported_media_type"),
        ("/predict/batch", "multipart/form-data", "malformed_request"),
    ):
        with uploading(server, 10**6, kind, path=path) as upload:
            assert upload.answer().code == code


def test_fields_after_a_picture_end_the_batch(server: LiveServer) -> None:
    """They cannot hold for the pictures before them, so they are not passed over."""
    late = form_of(
        ('name="files"; filename="a.jpg"', GOOD), ('name="top_k"', b"2"),
        ('name="files"; filename="b.jpg"', GOOD),
    )[0]  # fmt: skip
    assert send(server, late).code == "invalid_parameter"
    assert codes(lines(send(server, late, FORM, LINES))) == ["ok", "invalid_parameter"]
    early = form_of(('name="top_k"', b"2"), ('name="files"; filename="a.jpg"', GOOD))[0]
    assert len(send(server, early).json["results"][0]["predictions"]) == 2


def test_a_client_that_leaves_within_its_body_is_no_failure_of_the_service(
    server: LiveServer,
) -> None:
    """The log has 499, and nothing is held for it."""
    body = form_batch([GOOD] * 20)
    before = len(gone(server))
    with uploading(server, len(body)) as upload:
        upload.send(body[: len(body) // 2])
    wait_until(lambda: len(gone(server)) == before + 1, "it is not in the log")
    assert gone(server)[-1]["code"] == "client_disconnected"


def test_who_ends_a_batch_within_its_body_is_sent_nothing(server: LiveServer) -> None:
    """Not even where it would still read: 499 is a word for logs."""
    body = form_batch([GOOD] * 3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S) as client:
        client.sendall(
            b"POST /predict/batch HTTP/1.1\r\nHost: here\r\n"
            b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (FORM.encode(), len(body))
        )
        client.sendall(body[: len(body) // 2])
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def gone(server: LiveServer) -> list[dict]:
    """List the log's lines of batches whose client has gone."""
    found = server.events("request")
    return [one for one in found if one["route"] == "/predict/batch" and one["status"] == 499]


def test_who_leaves_after_the_first_line_cancels_the_rest(server: LiveServer) -> None:
    """Pictures that wait for their turn are not classified for nobody."""
    slow = encode(draw(2400, 2000), "PNG")
    body = form_batch([slow] * 40)
    before = count_inferences(server)
    with uploading(server, len(body)) as upload:
        first, rest = body[: len(body) // 2], body[len(body) // 2 :]
        upload.send(first)
        assert json.loads(upload.response().readline())["ok"]
        upload.send(rest[: len(rest) // 2])
    wait_until(lambda: bool(gone(server)), "it is not in the log")
    after = count_when_idle(server)
    assert after - before < 40
    assert server.upload(GOOD).status == 200
    assert count_inferences(server) == after + 1


def test_a_body_that_stops_is_told(server: LiveServer) -> None:
    """Ten seconds without a byte end it; the pictures before are answered."""
    body = form_batch([GOOD] * 5)
    with uploading(server, len(body)) as upload:
        upload.send(body[: len(body) // 2])
        found = lines(upload.answer())
    assert codes(found) == ["ok", "ok", "upload_too_slow"]


def test_more_batches_than_the_lane_holds_are_refused(server: LiveServer) -> None:
    """Two are at work, eight wait, the others are told to come again; single pictures go on."""
    body = form_batch([GOOD] * 5)
    with ExitStack() as stack:
        uploads = [stack.enter_context(uploading(server, len(body))) for _ in range(14)]
        for upload in uploads:
            upload.send(body[: len(body) // 2])
        refused = uploads[-1].answer()
        assert refused.code == "overloaded"
        assert int(refused.headers["Retry-After"]) >= 1
        assert all(server.upload(GOOD).status == 200 for _ in range(5))
        for upload in uploads[:2]:
            upload.send(body[len(body) // 2 :])
            assert codes(lines(upload.answer())) == ["ok"] * 5


def test_readers_that_stop_hold_no_place(server: LiveServer) -> None:
    """Who sends batches and reads no line is let go of, and others' batches come through."""
    body = form_batch([GOOD] * 60)
    with ExitStack() as stack:
        for _ in range(6):
            upload = stack.enter_context(
                uploading(server, len(body), path="/predict/batch?top_k=10")
            )
            upload.send(body)
        assert server.upload(GOOD).status == 200
        assert codes(lines(send(server, form_batch([GOOD] * 3), FORM, LINES))) == ["ok"] * 3


def test_a_stop_ends_a_batch_in_words(tiny_folder: Path, tmp_path: Path) -> None:
    """What is under way is answered; each picture that is not begun says why, and all stops."""
    slow = encode(draw(2400, 2000), "PNG")
    body = form_batch([slow] * 40)
    with (
        run_server(tmp_path, model=str(tiny_folder), slots="1") as server,
        uploading(server, len(body)) as upload,
    ):
        upload.send(body)
        response = upload.response()
        first = json.loads(response.readline())
        server.process.send_signal(signal.SIGTERM)
        found = [first, *map(json.loads, response.read().splitlines())]
        assert [one["index"] for one in found] == list(range(len(found)))
        assert set(codes(found)) <= {"ok", "shutting_down"}
        assert len(found) == 40 or codes(found)[-1] == "shutting_down"


def test_a_reload_takes_no_picture_of_a_short_batch(tiny_folder: Path, tmp_path: Path) -> None:
    """Whichever worker it comes to, and at whichever moment."""
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="2") as server,
        ThreadPoolExecutor(2) as pool,
    ):
        before = set(server.worker_pids())
        server.process.send_signal(signal.SIGHUP)

        def send_batches() -> list[str]:
            told = []
            while before & set(server.worker_pids()) or len(server.worker_pids()) < 2:
                told += codes(send(server, form_batch([GOOD] * 5)).json["results"])
            return told

        sending = [pool.submit(send_batches) for _ in range(2)]
        for one in sending:
            assert set(one.result()) == {"ok"}


def test_a_worker_that_dies_takes_only_its_batch(tiny_folder: Path, tmp_path: Path) -> None:
    """The client sees an answer that is cut off, never one that looks whole; others are served."""
    slow = encode(draw(2400, 2000), "PNG")
    body = form_batch([slow] * 40)
    with run_server(tmp_path, model=str(tiny_folder), slots="1") as server:
        (worker,) = server.worker_pids()
        with uploading(server, len(body)) as upload:
            upload.send(body)
            response = upload.response()
            assert json.loads(response.readline())["ok"]
            os.kill(worker, signal.SIGKILL)
            with pytest.raises((ConnectionError, IncompleteRead)):
                response.read()
        wait_until(lambda: server.worker_pids() not in ([], [worker]), "no new worker")
        server.wait_for_health("healthy")
        assert codes(send(server, form_batch([GOOD])).json["results"]) == ["ok"]


def test_nothing_of_a_batch_is_logged(server: LiveServer) -> None:
    """The log tells how many pictures there were and how many failed, and no file's name."""
    before = len(server.events("request"))
    named = form_batch([GOOD, b"no picture"]).replace(b"photo.jpg", b"secret-name.jpg")
    assert send(server, named).status == 200
    wait_until(lambda: len(server.events("request")) > before, "no line")
    line = server.events("request")[-1]
    assert (line["route"], line["pictures"], line["failed"]) == ("/predict/batch", 2, 1)
    assert BOUNDARY not in json.dumps(line)
    assert not any("secret-name" in one for one in server.lines)
