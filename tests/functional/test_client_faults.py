"""The Python client against servers that fail, break off, or are no topfive; both clients alike."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.either_client import open_either
from tests.functional.scripted_server import (
    ScriptedServer,
    cut,
    lines,
    problem,
    response,
    run_scripted,
)
from tests.unit.client.test_answers import HEALTH, PREDICTION
from topfive.client import (
    Client,
    ClientError,
    NotTopfive,
    Refused,
    TimeExceeded,
    Unreachable,
)

GOOD = response(PREDICTION)
PICTURES = [b"first", b"second", b"third", b"fourth"]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that takes batches of four, and answers what a test writes down."""
    limits = {"max_upload_bytes": 1000, "batch_max_pictures": 4, "batch_max_bytes": 100_000}
    with run_scripted() as running:
        running.always["/info"] = response({"limits": limits})
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, in seconds, which are noted and not made."""
    made: list[float] = []

    async def note(pause_s: float) -> None:
        made.append(pause_s)

    monkeypatch.setattr("topfive.client.sync_client.sleep", made.append)
    monkeypatch.setattr("topfive.client.async_client.sleep", note)
    return made


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which client is meant."""
    return str(request.param)


@pytest.fixture
def client(kind: str, server: ScriptedServer, pauses: list[float]) -> Iterator[Any]:
    """A client of the server."""
    with open_either(kind, server.url, key="a key") as opened:
        yield opened


def good(index: int) -> dict[str, Any]:
    """Make the line of a picture that was classified."""
    return {"index": index, "ok": True, **PREDICTION}


def bad(index: int, code: str) -> dict[str, Any]:
    """Make the line of a picture that was not."""
    return {"index": index, "ok": False, "error": {"code": code, "detail": f"It is {code}."}}


def told(results: Any) -> list[tuple[int, str]]:
    """List the results: which picture, and the error's code or the best class."""
    return [
        (one.index, one.error.code if one.error else one.get().best.class_name) for one in results
    ]


def test_what_is_sent_is_what_the_api_takes(client: Any, server: ScriptedServer) -> None:
    """The picture is the body, what is asked for stands in the query, the key in a header."""
    server.script = [GOOD]
    client.predict(b"photo", top_k=2, model="a b", version="1", heatmap=True, route_key="user 7")
    (seen,) = server.seen
    assert (seen.method, seen.body) == ("POST", b"photo")
    assert seen.path == "/predict?top_k=2&model=a+b&version=1&explain=heatmap"
    assert seen.headers["authorization"] == "Bearer a key"
    assert seen.headers["x-route-key"] == "user 7"
    assert seen.headers["content-length"] == "5"


@pytest.mark.parametrize(
    "failure",
    [
        problem("overloaded", 503, Retry_After="7"),
        problem("rate_limited", 429, Retry_After="7"),
        response(b"<html>", 502, "text/html", Retry_After="7"),
    ],
)
def test_the_time_that_is_asked_for_is_waited(
    client: Any, server: ScriptedServer, pauses: list[float], failure: bytes
) -> None:
    """The same request comes again, not sooner than the service or a proxy wants it."""
    server.script = [failure, GOOD]
    assert client.predict(b"photo").best.class_name == "three"
    assert [one.body for one in server.seen] == [b"photo", b"photo"]
    assert 7 <= pauses[0] <= 7 * 1.25


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (problem("rate_limited", 429, Retry_After="3600"), "rate_limited"),
        (problem("model_unavailable", 503), "model_unavailable"),
        (problem("internal_error", 500), "internal_error"),
        (problem("deadline_exceeded", 504), "deadline_exceeded"),
        (problem("unauthorized", 401), "unauthorized"),
        (problem("a_code_of_the_future", 418), "a_code_of_the_future"),
    ],
)
def test_what_waiting_does_not_help_is_told_at_once(
    client: Any, server: ScriptedServer, pauses: list[float], failure: bytes, code: str
) -> None:
    """One request, and an error with the service's code, sentence and request id."""
    server.script = [failure]
    with pytest.raises(Refused, match=f"It is {code}") as refused:
        client.predict(b"photo")
    assert (refused.value.code, refused.value.request_id) == (code, "id-7")
    assert (len(server.seen), pauses) == (1, [])


def test_a_broken_connection_is_tried_again(
    client: Any, server: ScriptedServer, pauses: list[float]
) -> None:
    """An answer that is cut off, or none at all, changes nothing: a prediction can be repeated."""
    server.script = [b"", cut(GOOD), b"HTTP/1.1 200", GOOD]
    assert client.predict(b"photo").best.class_name == "three"
    assert len(pauses) == 3


def test_a_server_that_always_breaks_off_is_given_up(client: Any, server: ScriptedServer) -> None:
    """After five retries the error says what happened."""
    server.script = [cut(GOOD)] * 6
    with pytest.raises(Unreachable, match="broke before the answer was whole"):
        client.predict(b"photo")
    assert len(server.seen) == 6


def test_an_address_where_nothing_listens_is_told(kind: str, pauses: list[float]) -> None:
    """After its retries; a server that is just starting is worth them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (
        open_either(kind, url, retries=2) as client,
        pytest.raises(Unreachable, match=f"Nothing listens at {url}"),
    ):
        client.health()
    assert len(pauses) == 2


def test_a_name_that_does_not_exist_is_told(kind: str, pauses: list[float]) -> None:
    """It is not asked for again and again."""
    with (
        open_either(kind, "http://nothing.invalid") as client,
        pytest.raises(Unreachable, match=r"nothing\.invalid"),
    ):
        client.health()


def test_https_where_http_is_spoken_is_told(
    client: Any, kind: str, server: ScriptedServer, pauses: list[float]
) -> None:
    """The error names the likely mistake."""
    url = server.url.replace("http:", "https:")
    with open_either(kind, url) as wrong, pytest.raises(Unreachable, match="Is it http://"):
        wrong.health()
    assert pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        response(b"<html>Welcome</html>", content_type="text/html"),
        response({"message": "Hello"}),
        response([1, 2, 3]),
        response(b"<html>Not found</html>", 404, "text/html"),
        response({"error": "no such page"}, 404),
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
)
def test_what_is_no_topfive_is_told(
    client: Any, server: ScriptedServer, pauses: list[float], answer: bytes
) -> None:
    """A web server, another API or another protocol: one clear error, and no second try."""
    server.always.clear()
    calls = [
        lambda: client.predict(b"photo"),
        client.health,
        client.models,
        lambda: list(client.predict_many(PICTURES)),
    ]
    for call in calls:
        # What is hidden at /info may still be topfive, so pictures are sent.
        server.script, server.seen = [answer] * 2, []
        with pytest.raises(NotTopfive):
            call()
        assert len(server.seen) == (2 if call is calls[-1] and b" 404 " in answer else 1)
    assert pauses == []


def test_a_redirect_is_not_followed(client: Any, server: ScriptedServer) -> None:
    """A key goes to the address that was given and to no other; the error has the right one."""
    elsewhere = f"{server.url}/elsewhere"
    server.script = [response(b"", 308, Location=elsewhere)]
    with pytest.raises(NotTopfive, match=elsewhere):
        client.predict(b"photo")
    assert len(server.seen) == 1


def test_an_endless_answer_is_ended(client: Any, server: ScriptedServer) -> None:
    """Neither a body nor a line of a batch fills the memory."""
    megabytes = [b"1" * 1024 * 1024] * 64
    server.script = [
        [b"HTTP/1.1 200 Said\r\nContent-Type: application/json\r\n\r\n", *megabytes],
        [lines(), *megabytes],
    ]
    with pytest.raises(NotTopfive, match="longer"):
        client.predict(b"photo")
    with pytest.raises(NotTopfive, match="longer"):
        list(client.predict_many(PICTURES))
    server.wait_for_gone(2)


@pytest.mark.parametrize("kind_of_slow", ["silent", "dripping"])
def test_the_deadline_holds_for_any_kind_of_slow_server(
    kind: str, server: ScriptedServer, kind_of_slow: str
) -> None:
    """A server that never answers, and one that sends a byte now and then, are both given up."""

    def drip() -> Iterator[bytes]:
        if kind_of_slow == "dripping":
            yield b"HTTP/1.1 200 Said\r\nContent-Length: 1000\r\n\r\n"
        for _ in range(12):
            time.sleep(0.05)
            yield b"1" if kind_of_slow == "dripping" else b""

    server.script = [drip()]
    with (
        open_either(kind, server.url, timeout_s=0.3) as client,
        pytest.raises(TimeExceeded) as exceeded,
    ):
        client.predict(b"photo")
    assert exceeded.value.code == "time_exceeded"


@pytest.mark.parametrize("said", [b"\n", b"the first result again"])
def test_a_batch_that_gets_no_further_is_given_up(
    kind: str, server: ScriptedServer, said: bytes
) -> None:
    """What keeps the connection busy is no step forward."""
    head = lines(good(0))
    line = head.partition(b"\r\n\r\n")[2] if said != b"\n" else said

    def drip() -> Iterator[bytes]:
        yield head
        for _ in range(400):
            time.sleep(0.05)
            yield line

    server.script = [drip()]
    with (
        open_either(kind, server.url, batch_timeout_s=0.5) as client,
        pytest.raises(TimeExceeded),
    ):
        list(client.predict_many(PICTURES))
    server.wait_for_gone(1)


def test_a_batch_is_a_form_with_all_pictures(client: Any, server: ScriptedServer) -> None:
    """Each is a part `files`, without its name; results come with the names that stayed here."""
    server.script = [lines(*map(good, range(4)))]
    results = list(client.predict_many(PICTURES, top_k=3))
    assert told(results) == [(index, "three") for index in range(4)]
    (seen,) = server.requests("/predict/batch")
    assert seen.path == "/predict/batch?top_k=3"
    assert seen.headers["accept"] == "application/x-ndjson"
    assert seen.body.count(b'name="files"; filename="picture"') == 4
    assert seen.pictures == PICTURES


def test_any_number_of_pictures_goes_out_in_batches(client: Any, server: ScriptedServer) -> None:
    """As many at a time as the service says; one alone goes to /predict."""
    server.script = [lines(*map(good, range(4))), lines(*map(good, range(4))), GOOD]
    pictures = (f"{index}".encode() for index in range(9))
    assert [index for index, _ in told(client.predict_many(pictures))] == list(range(9))
    assert [len(one.pictures) for one in server.requests("/predict/batch")] == [4, 4]
    assert len(server.requests("/predict")) == len(server.requests("/info")) == 1


def test_bad_pictures_fail_alone(client: Any, server: ScriptedServer, tmp_path: Any) -> None:
    """Each has its error in its place; what cannot be read, or is too large, is not even sent."""
    missing = tmp_path / "missing.jpg"
    server.script = [lines(good(0), bad(1, "invalid_image"))]
    results = list(client.predict_many([b"good", missing, b"bad", b"1" * 1001]))
    assert told(results) == [
        (0, "three"),
        (1, "unreadable_file"),
        (2, "invalid_image"),
        (3, "file_too_large"),
    ]
    assert results[1].name == str(missing)
    assert server.requests("/predict/batch")[0].pictures == [b"good", b"bad"]
    with pytest.raises(ClientError, match=r"missing\.jpg: No such file"):
        results[1].get()


def test_of_a_batch_that_breaks_off_only_the_rest_is_sent_again(
    client: Any, server: ScriptedServer, pauses: list[float]
) -> None:
    """Results that arrived are kept, and every picture has one in the end, in order."""
    server.script = [lines(good(0), bad(1, "invalid_image")), cut(lines(good(0))), b"",
                     lines(good(0), good(1))]  # fmt: skip
    assert told(client.predict_many(PICTURES)) == [
        (0, "three"),
        (1, "invalid_image"),
        (2, "three"),
        (3, "three"),
    ]
    sent = [one.pictures for one in server.requests("/predict/batch")]
    assert sent == [PICTURES, PICTURES[2:], PICTURES[2:], PICTURES[2:]]
    assert len(pauses) == 3


def test_where_the_quota_ends_within_a_batch_the_rest_waits(
    client: Any, server: ScriptedServer, pauses: list[float]
) -> None:
    """Nothing is lost: pictures without quota are sent again when the service says."""
    limited = [bad(2, "rate_limited"), bad(3, "rate_limited")]
    server.script = [
        lines(good(0), good(1), *limited),
        problem("rate_limited", 429, Retry_After="59"),
        lines(good(0), good(1)),
    ]
    assert [what for _, what in told(client.predict_many(PICTURES))] == ["three"] * 4
    assert [len(one.pictures) for one in server.requests("/predict/batch")] == [4, 2, 2]
    assert pauses[1] >= 59


def test_a_service_that_takes_less_than_it_said_gets_less(
    client: Any, server: ScriptedServer
) -> None:
    """A batch that is too large is sent in halves."""
    server.script = [problem("batch_too_large", 413), lines(good(0), good(1)),
                     lines(good(0), good(1))]  # fmt: skip
    assert [index for index, _ in told(client.predict_many(PICTURES))] == [0, 1, 2, 3]
    sent = [one.pictures for one in server.requests("/predict/batch")]
    assert sent == [PICTURES, PICTURES[:2], PICTURES[2:]]


def test_a_service_without_batches_gets_one_picture_a_request(
    client: Any, server: ScriptedServer
) -> None:
    """As one that is older, and one that says so only when it is asked."""
    server.script = [problem("not_found", 404), GOOD, problem("empty_file", 400), GOOD, GOOD]
    assert told(client.predict_many(PICTURES)) == [
        (0, "three"),
        (1, "empty_file"),
        (2, "three"),
        (3, "three"),
    ]
    server.always["/info"] = response({"limits": {"max_upload_bytes": 1000}})
    server.script = [GOOD, GOOD]
    with Client(server.url) as another:
        assert len(list(another.predict_many(PICTURES[:2]))) == 2
    assert len(server.requests("/predict/batch")) == 1


def test_what_the_call_is_the_cause_of_ends_it(client: Any, server: ScriptedServer) -> None:
    """A wrong key or an unknown model is one error, not one for each of a thousand pictures."""
    server.script = [problem("model_not_found", 404)]
    with pytest.raises(Refused, match="model_not_found"):
        list(client.predict_many(PICTURES, model="nothing"))


@pytest.mark.parametrize(
    "line", [{"index": 4, "ok": True}, {"index": 9, "ok": True}, {"index": 0}, {"hello": 1}, [1]]
)
def test_a_batch_answered_with_something_else_is_told(
    client: Any, server: ScriptedServer, line: Any
) -> None:
    """Lines that are no results end it at once."""
    server.script = [lines(line)] * 6
    with pytest.raises(ClientError) as error:
        list(client.predict_many(PICTURES))
    assert error.value.code == (
        "unreachable" if line == {"index": 4, "ok": True} else "not_topfive"
    )


def test_who_wants_no_more_results_ends_the_request(client: Any, server: ScriptedServer) -> None:
    """The service sees that its client has gone, and cancels the rest."""
    filler = [b"\n" * 65536] * 1000
    server.script = [[lines(good(0)), *filler]]
    results = client.predict_many(PICTURES)
    assert next(results).index == 0
    results.close()
    client.close() if isinstance(client, Client) else client.aclose()
    server.wait_for_gone(1)


def test_an_unavailable_service_is_told_without_an_error(
    client: Any, server: ScriptedServer
) -> None:
    """Its health is what was asked for."""
    server.script = [response(HEALTH, 503)]
    found = client.health()
    assert (found.status, found.model_loaded) == ("unavailable", False)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("127.0.0.1:5000", {}),
        ("ftp://host", {}),
        ("http://", {}),
        ("http://host/?a=1", {}),
        ("http://user:secret@host", {}),
        ("http://host", {"key": "two\nlines"}),
        ("http://host", {"timeout_s": 0}),
        ("http://host", {"retries": -1}),
    ],
)
def test_what_cannot_be_is_told_when_the_client_is_made(
    kind: str, url: str, options: dict[str, Any]
) -> None:
    """Before any request; a secret is not repeated."""
    with (
        pytest.raises(ValueError, match=r"address|key|Timeouts") as error,
        open_either(kind, url, **options),
    ):
        pass
    assert "secret" not in str(error.value)
