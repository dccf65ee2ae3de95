"""A batch as its caller sees it: results in order, failures in place, lines as they are ready."""

import io
import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.live_server import form_of
from tests.pictures import jpeg, png
from topfive.api import create_app
from topfive.api.batch.schemas import BatchOut
from topfive.settings import parse_settings

JSON = "application/json"
LINES = {"Accept": "application/x-ndjson"}
OF_SETTINGS = {
    "TOPFIVE_MODEL": "digits",
    "TOPFIVE_BATCH_MAX_PICTURES": "5",
    "TOPFIVE_BATCH_MAX_BYTES": "200000",
    "TOPFIVE_MAX_UPLOAD_BYTES": "50000",
    "TOPFIVE_RATE_LIMIT": "",
    "TOPFIVE_SLOTS": "1",
}


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A client of an app whose batches are small."""
    app = create_app(parse_settings(OF_SETTINGS))
    yield app.test_client()
    app.service.close()


@pytest.fixture
def limited() -> Iterator[FlaskClient]:
    """A client that may send three pictures a minute."""
    app = create_app(parse_settings(OF_SETTINGS | {"TOPFIVE_RATE_LIMIT": "3/minute"}))
    yield app.test_client()
    app.service.close()


def send(
    client: FlaskClient, *pictures: bytes, query: str = "", headers: Any = None, **fields: str
) -> TestResponse:
    """Post pictures as a form, behind fields."""
    files = [('name="files"; filename="a.jpg"', one) for one in pictures]
    body, content_type = form_of(
        *[(f'name="{name}"', text.encode()) for name, text in fields.items()], *files
    )
    return post(client, body, content_type, query, headers)


def post(
    client: FlaskClient, body: bytes | str, content_type: str, query: str = "", headers: Any = None
) -> TestResponse:
    """Post a body, and read the whole answer."""
    return client.post(
        f"/predict/batch{query}",
        data=body,
        content_type=content_type,
        headers=headers or {},
        buffered=True,
    )


def lines(answer: TestResponse) -> list[Any]:
    """Read the lines of an answer."""
    return [json.loads(line) for line in answer.text.splitlines()]


def test_each_picture_has_a_result_in_its_place(client: FlaskClient) -> None:
    """The answer has the model once, and the results in the order of the pictures."""
    answer = send(client, png(), jpeg(), query="?top_k=2")
    assert answer.status_code == 200, answer.text
    assert list(answer.json) == ["request_id", "model", "results"]
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert answer.json["model"]["name"] == "digits"
    first, second = answer.json["results"]
    assert list(first) == ["index", "ok", "predictions", "image", "timing_ms"]
    assert [first["image"]["format"], second["image"]["format"]] == ["PNG", "JPEG"]
    assert [len(one["predictions"]) for one in (first, second)] == [2, 2]
    assert "total;dur=" in answer.headers["Server-Timing"]
    BatchOut.model_validate(answer.json)


def test_a_result_is_what_the_picture_alone_would_get(client: FlaskClient) -> None:
    """A picture in a batch has the same classes with the same confidence as by /predict."""
    alone = client.post("/predict", data={"file": (io.BytesIO(png()), "a.png")}).json
    (result,) = send(client, png()).json["results"]
    assert result["predictions"] == alone["predictions"]
    assert result["image"] == alone["image"]


def test_one_bad_file_fails_alone(client: FlaskClient) -> None:
    """Files that are empty, too large, no picture or damaged are results among the others."""
    answer = send(client, png(), b"", bytes(50_001), b"text\x00", jpeg()[:300])
    assert answer.status_code == 200
    first, *rest = answer.json["results"]
    assert first["ok"] is True
    assert [list(one) for one in rest] == [["index", "ok", "error"]] * 4
    assert [one["index"] for one in rest] == [1, 2, 3, 4]
    assert [one["error"]["code"] for one in rest] == [
        "empty_file",
        "file_too_large",
        "unsupported_format",
        "invalid_image",
    ]
    assert all(list(one["error"]) == ["code", "detail"] for one in rest)


def test_a_batch_of_bad_files_is_answered(client: FlaskClient) -> None:
    """Where no picture is good, the batch still is."""
    answer = send(client, b"text\x00", b"")
    assert answer.status_code == 200
    assert [one["ok"] for one in answer.json["results"]] == [False, False]
    assert answer.json["model"] == {"name": "digits", "version": "1"}


def test_json_is_answered_as_a_form_is(client: FlaskClient) -> None:
    """Pictures in base64 get the same results; one that is no base64 fails alone."""
    images = [b64encode(png()).decode(), "no base64!", b64encode(jpeg()).decode()]
    answer = client.post("/predict/batch", json={"top_k": 1, "images": images})
    assert answer.status_code == 200, answer.text
    assert [one["ok"] for one in answer.json["results"]] == [True, False, True]
    assert answer.json["results"][1]["error"]["code"] == "invalid_parameter"
    assert len(answer.json["results"][0]["predictions"]) == 1


def test_lines_hold_the_same_results(client: FlaskClient) -> None:
    """Who accepts lines gets the results of the document, one a line."""
    answer = send(client, png(), b"", jpeg(), headers=LINES)
    assert answer.mimetype == "application/x-ndjson"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Topfive-Model"] == "digits@1"
    found = lines(answer)
    whole = send(client, png(), b"", jpeg()).json["results"]
    for one in (*found, *whole):
        one.pop("timing_ms", None)
    assert found == whole


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, application/x-ndjson;q=0.5", "text/*"]
)
def test_who_does_not_prefer_lines_gets_a_document(client: FlaskClient, accept: str) -> None:
    """Lines are for those who ask for them."""
    assert send(client, png(), headers={"Accept": accept}).mimetype == "application/json"


def test_too_many_pictures_fail_the_document(client: FlaskClient) -> None:
    """A sixth picture of five: nobody gets a part of the results for the whole."""
    answer = send(client, *[png()] * 6)
    assert (answer.status_code, answer.json["code"]) == (413, "batch_too_large")
    assert answer.json["detail"] == "The batch has over 5 pictures. Send several batches."


def test_too_many_pictures_end_the_lines(client: FlaskClient) -> None:
    """As lines the results before it are sent, then one last line says why there are no more."""
    *before, last = lines(send(client, *[png()] * 6, headers=LINES))
    assert [one["ok"] for one in before] == [True] * 5
    assert (last["index"], last["ok"]) == (5, False)
    assert last["error"]["code"] == "batch_too_large"


def test_a_body_too_long_is_refused_by_its_length(client: FlaskClient) -> None:
    """Nothing of it is read, nor classified."""
    answer = client.post(
        "/predict/batch", data=bytes(200_001), content_type="multipart/form-data; boundary=b"
    )
    assert (answer.status_code, answer.json["code"]) == (413, "batch_too_large")
    assert "over 200000 bytes" in answer.json["detail"]


@pytest.mark.parametrize("headers", [{}, LINES])
def test_what_is_wrong_before_the_first_picture_is_a_problem(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    """As long as no result is sent, a mistake has its own status, for lines too."""
    for answer, status, code in (
        (send(client, png(), query="?topk=3", headers=headers), 400, "invalid_parameter"),
        (send(client, png(), topk="3", headers=headers), 400, "invalid_parameter"),
        (send(client, png(), model="none", headers=headers), 404, "model_not_found"),
        (send(client, headers=headers, top_k="3"), 400, "missing_file"),
        (client.post("/predict/batch", headers=headers), 400, "missing_file"),
        (post(client, '{"images": []}', JSON, headers=headers), 400, "missing_file"),
        (post(client, "x", "text/plain", headers=headers), 415, "unsupported_media_type"),
        (post(client, "[]", JSON, headers=headers), 400, "invalid_parameter"),
    ):
        assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
        assert answer.mimetype == "application/problem+json"


def test_a_body_that_is_cut_off_ends_the_lines_after_its_whole_pictures(
    client: FlaskClient,
) -> None:
    """What came whole is answered; the document is refused as a whole."""
    picture = b64encode(png()).decode()
    body = f'{{"images": ["{picture}", "{picture[:99]}'
    first, last = lines(post(client, body, JSON, headers=LINES))
    assert first["ok"] is True
    assert last["error"]["code"] == "malformed_request"
    answer = post(client, body, JSON)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("headers", [{}, LINES], ids=["a document", "lines"])
def test_every_picture_counts_in_the_quota(limited: FlaskClient, headers: dict[str, str]) -> None:
    """Where the quota ends, the pictures beyond it fail, and the next batch is refused."""
    answer = send(limited, *[png()] * 5, headers=headers)
    results = lines(answer) if headers else answer.json["results"]
    assert [one["ok"] for one in results] == [True] * 3 + [False] * 2
    assert results[3]["error"]["code"] == "rate_limited"
    assert answer.headers["RateLimit-Remaining"] == ("2" if headers else "0")
    again = send(limited, png())
    assert (again.status_code, again.json["code"]) == (429, "rate_limited")


def test_every_line_counts_in_the_quota(limited: FlaskClient) -> None:
    """So it is with lines, which are written when the view has returned."""
    answer = send(limited, *[png()] * 5, headers=LINES)
    assert [one["ok"] for one in lines(answer)] == [True] * 3 + [False] * 2
    assert lines(answer)[4]["error"]["code"] == "rate_limited"


def test_who_goes_away_gets_no_more_lines(client: FlaskClient) -> None:
    """Closing the answer after a line ends the batch, and gives all back."""
    files = [(io.BytesIO(png()), "a.png") for _ in range(4)]
    answer = client.post("/predict/batch", data={"files": files}, headers=LINES, buffered=False)
    iterator = iter(answer.response)
    next(iterator)
    answer.close()
    assert list(iterator) == []
    service = client.application.service
    assert service._limiter.load().working == 0


def test_a_batch_is_one_line_in_the_log(
    client: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """It tells how many pictures there were and how many failed, and nothing of their content."""
    logging.getLogger().handlers.clear()
    app = create_app(parse_settings(OF_SETTINGS))
    try:
        capfd.readouterr()
        send(app.test_client(), png(), b"", png(), headers=LINES)
        (line,) = [json.loads(one) for one in capfd.readouterr().out.splitlines()]
    finally:
        app.service.close()
    assert (line["pictures"], line["failed"], line["status"]) == (3, 1, 200)
    assert (line["model"], line["version"]) == ("digits", "1")
    assert not {"top_class", "confidence", "code"} & set(line)
