"""What the routes about predictions answer on a real server, with either database."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.history.conftest import DATABASES
from tests.history.records import BEGIN, DIGITS, NEWER_PETS, PETS, in_order, make_record
from tests.live_server import Answer, LiveServer, run_server
from tests.postgresql_server import PostgresqlServer
from topfive.history.contract import HistoryOrder
from topfive.history.database import open_database
from topfive.history.migration import upgrade
from topfive.history.records import PredictionRecord
from topfive.history.writing import write_records

MODELS = (PETS, NEWER_PETS, DIGITS)
# More than a page holds, and of few confidences, so that ids decide among many.
RECORDS = tuple(
    make_record(number, number % 8, (number * 7 % 20) / 20, model=MODELS[number % 3])
    for number in range(450)
)
UNKNOWN = "019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90"
SQL_TEXTS = [
    "' OR '1'='1",
    "cat'; DROP TABLE predictions; --",
    "%",
    "_a_",
    "cat\\",
    '"; SELECT pg_sleep(30); --',
    "$$",
    ":name",
    "%(name)s",
    "?",
    "\U0001f415",
]


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server over a history of 450 predictions of three versions of models."""
    folder = tmp_path_factory.mktemp("http")
    url = f"sqlite:///{folder}/history.db"
    if request.param == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        url = postgresql.make_database()
    fill(url, RECORDS)
    with run_server(folder, model="digits", history_url=url, history_retention_days="0") as started:
        yield started


def fill(url: str, records: tuple[PredictionRecord, ...]) -> None:
    """Make the tables of a history, and write predictions into it."""
    database = open_database(url)
    upgrade(database)
    write_records(database, records, patience_s=60)
    database.close()


def ask(server: LiveServer, **query: Any) -> dict[str, Any]:
    """Ask for a page as a program does."""
    answer = server.get(f"/predictions?{urlencode(query)}")
    assert answer.status == 200, answer.body
    page: dict[str, Any] = answer.json
    return page


def ask_all(server: LiveServer, **query: Any) -> list[str]:
    """Follow the cursors to the last page; returns the ids."""
    found: list[str] = []
    page = ask(server, **query)
    while True:
        found += [one["id"] for one in page["predictions"]]
        if page["next_cursor"] is None:
            return found
        page = ask(server, **query, cursor=page["next_cursor"])


def put_label(server: LiveServer, prediction_id: object, body: object) -> Answer:
    """Label a prediction."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"/predictions/{prediction_id}/label"
    return server.request("PUT", path, sent, {"Content-Type": "application/json"})


@pytest.mark.parametrize("order", HistoryOrder)
def test_pages_give_everything_once_and_in_order(server: LiveServer, order: HistoryOrder) -> None:
    """Following the cursors lists all that is kept, whatever the pages' size."""
    expected = [str(one) for one in in_order(RECORDS, order)]
    for limit in (200, 77):
        assert ask_all(server, order=order.value, limit=limit) == expected


def test_a_page_is_fifty_of_the_newest(server: LiveServer) -> None:
    """Where nothing is asked for."""
    page = ask(server)
    assert [one["request_id"] for one in page["predictions"]] == [
        f"request-{number}" for number in range(449, 399, -1)
    ]


def test_filters_apply_together(server: LiveServer) -> None:
    """Each narrows what is listed, over the edges of pages too, in every order."""
    since, until = BEGIN.isoformat(), BEGIN.replace(minute=5)
    query = {"model": "pets", "version": "2.0", "class": "ape", "min_confidence": 0.1,
             "max_confidence": 0.9, "since": since, "until": until.isoformat(),
             "labelled": "false"}  # fmt: skip
    expected = [
        one
        for one in RECORDS
        if one.model == NEWER_PETS and one.classes[0].class_name == "ape"
        and 0.1 <= one.classes[0].confidence <= 0.9 and one.at < until
    ]  # fmt: skip
    assert len(expected) > 5
    for order in HistoryOrder:
        found = ask_all(server, **query, order=order.value, limit=5)
        assert found == [str(one) for one in in_order(expected, order)]


def test_one_request_and_one_picture_are_found(server: LiveServer) -> None:
    """By the id that the answer told, and by the digest of the file."""
    wanted = RECORDS[123]
    assert wanted.picture_sha256 is not None
    assert ask_all(server, request_id=wanted.request_id) == [str(wanted.id)]
    assert ask_all(server, picture_sha256=wanted.picture_sha256.hex()) == [str(wanted.id)]


@pytest.mark.parametrize("text", SQL_TEXTS)
def test_sql_is_no_more_than_a_text(server: LiveServer, text: str) -> None:
    """In every field it finds nothing or is 400, and all tables are as before."""
    fields = ("since", "until", "model", "version", "class", "min_confidence", "max_confidence",
              "labelled", "request_id", "picture_sha256", "order", "limit", "cursor")  # fmt: skip
    for name in fields:
        answer = server.get(f"/predictions?{urlencode({name: text})}")
        if answer.status == 200:
            assert (name in ("class", "request_id"), answer.json["predictions"]) == (True, [])
        else:
            assert (answer.status, answer.code) == (400, "invalid_parameter")
    one = RECORDS[5].id
    assert put_label(server, one, {"class_name": text}).code == "invalid_parameter"
    escaped = urlencode({"": text})[1:]
    assert server.get(f"/predictions/{escaped}").code == "not_found"
    assert server.request("DELETE", f"/predictions/{escaped}").code == "not_found"
    assert len(ask_all(server, limit=200)) == len(RECORDS)


def test_a_cursor_is_good_for_its_question_alone(server: LiveServer) -> None:
    """Changed in any place, or sent with another question, it is 400; a new limit is fine."""
    cursor = ask(server, model="pets", limit=3)["next_cursor"]
    assert len(ask(server, model="pets", limit=7, cursor=cursor)["predictions"]) == 7
    for query in ({}, {"model": "digits"}, {"model": "pets", "order": "oldest"}):
        answer = server.get(f"/predictions?{urlencode(query | {'cursor': cursor})}")
        assert answer.code == "invalid_parameter"
        assert "`cursor`" in answer.json["detail"]
    for at in range(0, len(cursor), 5):
        other = "A" if cursor[at] != "A" else "B"
        query = {"model": "pets", "cursor": cursor[:at] + other + cursor[at + 1 :]}
        assert server.get(f"/predictions?{urlencode(query)}").code == "invalid_parameter"


def test_a_label_lives_through_its_day(server: LiveServer) -> None:
    """Set, set again, changed, taken back: each answer is what is told then."""
    one = RECORDS[0].id
    path = f"/predictions/{one}"
    first = put_label(server, one, {"class_name": "hen"})
    assert first.status == 200
    label = first.json["label"]
    assert (label["class_id"], label["rank"], label["source"]) == (3, 4, "person")
    assert put_label(server, one, {"class_id": 3}).json == first.json
    assert server.get(path).json == first.json
    assert ask_all(server, labelled="true") == [str(one)]
    changed = put_label(server, one, {"class_id": 6, "source": "system"}).json["label"]
    assert (changed["class_name"], changed["rank"], changed["source"]) == ("crane", None, "system")
    for _ in range(2):
        taken = server.request("DELETE", f"{path}/label")
        assert (taken.status, taken.json["label"]) == (200, None)
    assert ask_all(server, labelled="true") == []


def test_a_label_is_a_class_of_that_version(server: LiveServer) -> None:
    """A class that it does not have is 400 with near names; one that two have must be an id."""
    one = RECORDS[0].id
    misspelt = put_label(server, one, {"class_name": "crain"})
    assert misspelt.code == "invalid_parameter"
    assert "crane" in misspelt.json["detail"]
    for body in ({"class_id": 8}, {"class_id": 2**31 - 1}, {"class_name": "crane"},
                 {"class_name": "0"}, {"class_name": "a" * 500}):  # fmt: skip
        assert put_label(server, one, body).code == "invalid_parameter"
    assert server.get(f"/predictions/{one}").json["label"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_request"),
        (b"\x00" * 100, "malformed_request"),
        (b'{"class_id": 1' + b" " * 70_000 + b"}", "file_too_large"),
        (b'{"class_id": 1' + b" " * 12_000_000 + b"}", "file_too_large"),
        (b'{"class_name": "\\u0000"}', "invalid_parameter"),
        (b'{"class_name": "\\ud800"}', "invalid_parameter"),
        (b'{"class_name": {"$gt": ""}}', "invalid_parameter"),
    ],
)
def test_a_body_that_is_no_label_is_refused(server: LiveServer, body: bytes, code: str) -> None:
    """However long or strange, and the prediction keeps none."""
    one = RECORDS[0].id
    assert put_label(server, one, body).code == code
    assert server.get(f"/predictions/{one}").json["label"] is None


@pytest.mark.parametrize("unknown", [UNKNOWN, "x", "0", "%00", UNKNOWN[:-1], f"{UNKNOWN}%27"])
def test_what_is_not_there_is_not_found(server: LiveServer, unknown: str) -> None:
    """404 for every method, whether it is an id or not."""
    answers = [
        server.get(f"/predictions/{unknown}"),
        server.request("DELETE", f"/predictions/{unknown}"),
        put_label(server, unknown, {"class_id": 1}),
        server.request("DELETE", f"/predictions/{unknown}/label"),
    ]
    assert [one.code for one in answers] == ["not_found"] * 4


def test_exports_hold_everything(server: LiveServer) -> None:
    """CSV and Parquet have all that is meant, in the order that is asked for."""
    pyarrow = pytest.importorskip("pyarrow.parquet")
    expected = [str(one.id) for one in RECORDS if one.model.name == "pets"]
    query = "model=pets&order=oldest"
    text = server.get(f"/predictions/export?{query}")
    rows = list(csv.DictReader(StringIO(text.body.decode(), newline="")))
    assert [one["id"] for one in rows] == expected
    table = server.get(f"/predictions/export?{query}&format=parquet")
    columns = pyarrow.read_table(BytesIO(table.body)).to_pydict()
    assert columns["id"] == expected
    assert list(columns) == list(rows[0])
    assert [f"{one:g}" for one in columns["confidence_1"]] == [
        f"{float(one['confidence_1']):g}" for one in rows
    ]


def test_one_that_is_deleted_is_gone(server: LiveServer) -> None:
    """204, and then it is in no list, export or address; the others are."""
    one = RECORDS[449].id
    assert server.request("DELETE", f"/predictions/{one}").status == 204
    assert server.request("DELETE", f"/predictions/{one}").code == "not_found"
    assert server.get(f"/predictions/{one}").code == "not_found"
    assert ask_all(server, limit=200) == [str(other.id) for other in RECORDS[448::-1]]
    exported = server.get("/predictions/export").body.decode()
    assert str(one) not in exported
    assert exported.count("\r\n") == 450
