"""What the routes about predictions answer, and whom."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.unit.fake_history import FakeHistory, make_prediction
from topfive.api import App, create_app
from topfive.errors import HistoryUnavailable
from topfive.history.contract import NoHistory
from topfive.history.records import KeptPrediction
from topfive.predictions import CacheStatus
from topfive.settings import parse_settings

UNKNOWN = "019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90"


def keep(history: FakeHistory, *made: KeptPrediction) -> list[str]:
    """Have the history hold these; returns their ids."""
    history.kept |= {one.record.id: one for one in made}
    return [str(one.record.id) for one in made]


def ids_of(answer: Any) -> list[str]:
    """List the ids on a page."""
    assert answer.status_code == 200, answer.json
    return [one["id"] for one in answer.json["predictions"]]


def test_a_prediction_is_told_with_every_key(client: FlaskClient, history: FakeHistory) -> None:
    """All that is kept is there, in the order of the documents; what there is not is null."""
    (one,) = keep(history, make_prediction(7))
    answer = client.get(f"/predictions/{one}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json == {
        "id": one,
        "created_at": "2026-11-26T10:00:07Z",
        "request_id": "request-7",
        "position": 0,
        "picture_sha256": hashlib.sha256(b"7").hexdigest(),
        "model": {"name": "animals", "version": "1"},
        "model_digest": "a" * 64,
        "route": "/predict",
        "alias": "default",
        "predictions": [
            {"class_id": 0, "class_name": "tabby", "confidence": 0.8},
            {"class_id": 1, "class_name": "tiger cat", "confidence": 0.04},
            {"class_id": 2, "class_name": "zebra", "confidence": 0.02},
            {"class_id": 3, "class_name": "skunk", "confidence": 0.013333},
            {"class_id": 4, "class_name": "ostrich", "confidence": 0.01},
        ],
        "timing_ms": {
            "queue": 0.11, "decode": 2.5, "preprocess": 0.61, "inference": 4.2, "total": 7.45,
        },
        "cache": None,
        "degraded": False,
        "api_key_id": None,
        "label": None,
    }  # fmt: skip
    page = client.get("/predictions")
    assert page.json == {"predictions": [answer.json], "next_cursor": None}


def test_what_is_not_always_there_is_told(client: FlaskClient, history: FakeHistory) -> None:
    """Of prepared pixels there is no picture; a cache's word, a key and a stand-in are told."""
    changes = {"picture_sha256": None, "alias": "", "cache": CacheStatus.HIT, "key_id": "0f3a",
               "is_degraded": True, "position": 3}  # fmt: skip
    (one,) = keep(history, make_prediction(7, **changes))
    found = client.get(f"/predictions/{one}").json
    told = ("picture_sha256", "alias", "cache", "api_key_id", "degraded", "position")
    assert [found[key] for key in told] == [None, None, "hit", "0f3a", True, 3]


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("", [4, 3, 2, 1, 0]),
        ("order=newest", [4, 3, 2, 1, 0]),
        ("order=oldest", [0, 1, 2, 3, 4]),
        ("order=least_confident", [1, 3, 0, 2, 4]),
    ],
)
def test_pages_follow_one_another(
    client: FlaskClient, history: FakeHistory, order: str, numbers: list[int]
) -> None:
    """Each page begins behind the one before, in every order, and the last has no cursor."""
    confidences = (0.5, 0.2, 0.5, 0.2, 0.9)
    ids = keep(history, *(make_prediction(at, one) for at, one in enumerate(confidences)))
    found, lengths, cursor = [], [], ""
    for _ in range(3):
        page = client.get(f"/predictions?limit=2&{order}{cursor}")
        found += ids_of(page)
        lengths.append(len(ids_of(page)))
        cursor = f"&cursor={page.json['next_cursor']}"
    assert lengths == [2, 2, 1]
    assert found == [ids[number] for number in numbers]
    assert page.json["next_cursor"] is None


def test_what_is_added_meanwhile_moves_no_page(client: FlaskClient, history: FakeHistory) -> None:
    """A prediction made between two pages is on neither, and nothing comes twice."""
    ids = keep(history, *(make_prediction(number) for number in range(4)))
    first = client.get("/predictions?limit=2")
    keep(history, make_prediction(9))
    second = client.get(f"/predictions?limit=2&cursor={first.json['next_cursor']}")
    assert ids_of(first) + ids_of(second) == ids[::-1]


FILTERS = [
    ("since=2026-11-26T10:00:02Z", {2, 3}),
    ("until=2026-11-26T10:00:02Z", {0, 1}),
    ("since=2026-11-26T11:00:01%2B01:00&until=2026-11-26T11:00:03%2B01:00", {1, 2}),
    ("since=2026-11-26T11:00:02+01:00", {2, 3}),
    ("model=animals", {0, 1, 2, 3}),
    ("model=flowers", set()),
    ("version=1", {0, 1, 2, 3}),
    ("version=2", set()),
    ("class=zebra", {2}),
    ("class=tiger%20cat", {1}),
    ("class=1", {1}),
    ("class=Zebra", set()),
    ("min_confidence=0.5", {2, 3}),
    ("max_confidence=0.5", {0, 1, 2}),
    ("min_confidence=0.5&max_confidence=5e-1", {2}),
    ("labelled=true", set()),
    ("labelled=false", {0, 1, 2, 3}),
    ("request_id=request-3", {3}),
    (f"picture_sha256={hashlib.sha256(b'1').hexdigest()}", {1}),
    (f"picture_sha256={hashlib.sha256(b'1').hexdigest().upper()}", {1}),
    ("class=skunk&min_confidence=0.9", set()),
]


@pytest.mark.parametrize(("query", "numbers"), FILTERS)
def test_a_filter_leaves_what_it_says(
    client: FlaskClient, history: FakeHistory, query: str, numbers: set[int]
) -> None:
    """Each means what the documents say, both ends of confidences included, and all apply."""
    made = (make_prediction(at, one, best=at) for at, one in enumerate((0.3, 0.4, 0.5, 0.6)))
    ids = keep(history, *made)
    found = ids_of(client.get(f"/predictions?{query}"))
    assert {ids.index(one) for one in found} == numbers


NONSENSE = [
    ("limit=0", "`limit` must be a whole number from 1 to 200, not '0'."),
    ("limit=201", "`limit` must be a whole number from 1 to 200, not '201'."),
    ("limit=many", "`limit` must be a whole number from 1 to 200, not 'many'."),
    ("size=5", "`size` is not known. Did you mean `since`?"),
    ("limit=5&limit=6", "`limit` is given twice, with different values. Give it once."),
    ("since=yesterday", "`since` must be written like `2026-11-26T10:00:00Z`, not 'yesterday'."),
    ("since=2026-11-26", "`since` must be written like `2026-11-26T10:00:00Z`, not '2026-11-26'."),
    ("since=2026-11-26T10:00:00", "`since` must be written like"),
    ("since=1764151200", "`since` must be written like"),
    ("since=0001-01-01T00:00:00%2B14:00", "`since` must be written like"),
    ("since=1970-01-01T00:00:00%2B14:00", "`since` must be written like"),
    ("until=9999-12-31T23:59:59-14:00", "`until` must be written like"),
    ("since=2026-11-26T10:00:00Z&until=2026-11-26T10:00:00Z",
     "`since` must be before `until`: nothing is between them."),
    ("model=a%20b", "`model` must be written like `mobilenet_v2`, not 'a b'."),
    ("model=%00", "`model` must be written like `mobilenet_v2`."),
    ("model=", "`model` must be written like `mobilenet_v2`, not ''."),
    ("version=latest%0A", "`version` must be written like `imagenet1k-v2`."),
    ("class=a%00b", "`class` must be written like `tabby`."),
    ("class=", "`class` must be written like `tabby`, not ''."),
    (f"class={'a' * 501}", "`class` must be written like `tabby`."),
    ("class=2147483648", "`class` is an id of at most 2147483647, or a name."),
    (f"class={'9' * 400}", "`class` is an id of at most 2147483647, or a name."),
    ("class_=a", "`class_` is not known. Did you mean `class`?"),
    ("min_confidence=nan", "`min_confidence` must be a number from 0 to 1, not 'nan'."),
    ("min_confidence=-0.1", "`min_confidence` must be a number from 0 to 1, not '-0.1'."),
    ("max_confidence=1e999", "`max_confidence` must be a number from 0 to 1, not '1e999'."),
    ("max_confidence=high", "`max_confidence` must be a number from 0 to 1, not 'high'."),
    ("min_confidence=0.6&max_confidence=0.5", "`min_confidence` is above `max_confidence`."),
    ("labelled=yes", "`labelled` must be `true` or `false`, not 'yes'."),
    ("labelled=1", "`labelled` must be `true` or `false`, not '1'."),
    ("request_id=a%20b", "`request_id` must be written like `order-42`, not 'a b'."),
    ("picture_sha256=abc", "`picture_sha256` must be written like"),
    ("order=random", "`order` must be `newest` or `oldest` or `least_confident`, not 'random'."),
    ("cursor=", "`cursor` is not one of this question."),
    ("cursor=%C3%A4", "`cursor` is not one of this question."),
    ("cursor=AAAA", "`cursor` is not one of this question."),
    (f"cursor={'A' * 101}", "`cursor` must have at most 100 characters."),
    ("model=x'%20OR%20'1'='1", "`model` must be written like `mobilenet_v2`."),
]  # fmt: skip


@pytest.mark.parametrize(("query", "detail"), NONSENSE)
def test_nonsense_is_told(
    client: FlaskClient, history: FakeHistory, query: str, detail: str
) -> None:
    """400 names the field and what it takes, and the history is not asked."""
    history.failure = HistoryUnavailable("It was asked.")
    answer = client.get(f"/predictions?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert answer.json["detail"].startswith(detail)


@pytest.mark.parametrize(
    "word", ["' OR 1=1 --", '"; DROP TABLE predictions; --', "%", "_", "$(id)", "{{7*7}}", "ÄÖ漢"]
)
def test_a_class_may_be_any_text(client: FlaskClient, history: FakeHistory, word: str) -> None:
    """What looks like SQL or a pattern is a name that no class has."""
    keep(history, make_prediction(0))
    assert ids_of(client.get("/predictions", query_string={"class": word})) == []


@pytest.mark.parametrize(
    "path", ["x", "1", UNKNOWN[:-1], f"{UNKNOWN}0", UNKNOWN.replace("-", ""), f"{{{UNKNOWN}}}",
             f"urn:uuid:{UNKNOWN}", UNKNOWN, f"{UNKNOWN}%0A", "'%20OR%20'1'='1"]
)  # fmt: skip
def test_an_unknown_id_is_not_found(client: FlaskClient, history: FakeHistory, path: str) -> None:
    """404, whether there is no such prediction or it is no id at all."""
    for answer in (
        client.get(f"/predictions/{path}"),
        client.delete(f"/predictions/{path}"),
        client.put(f"/predictions/{path}/label", json={"class_id": 1}),
        client.delete(f"/predictions/{path}/label"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
        assert answer.json["detail"].startswith("There is no prediction of this id")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_the_export_is_no_prediction(client: FlaskClient, method: str) -> None:
    """Its address takes GET, and is not read as an id for other methods."""
    answer = client.open("/predictions/export", method=method)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (
        405,
        {"GET", "HEAD", "OPTIONS"},
    )
    assert client.get("/predictions/exports").json["detail"].startswith("There is no prediction")


def test_an_id_may_be_in_capitals(client: FlaskClient, history: FakeHistory) -> None:
    """RFC 9562 has both read; it is told in small letters."""
    (one,) = keep(history, make_prediction(7))
    assert client.get(f"/predictions/{one.upper()}").json["id"] == one


def test_a_prediction_is_deleted(client: FlaskClient, history: FakeHistory) -> None:
    """204 without a body; then it is not there, to delete again neither."""
    one, other = keep(history, make_prediction(1), make_prediction(2))
    answer = client.delete(f"/predictions/{one}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get(f"/predictions/{one}").status_code == 404
    assert client.delete(f"/predictions/{one}").status_code == 404
    assert ids_of(client.get("/predictions")) == [other]


@pytest.mark.parametrize("body", [{"class_id": 2}, {"class_name": "zebra"}])
def test_a_label_is_set(client: FlaskClient, history: FakeHistory, body: dict[str, Any]) -> None:
    """A class is named either way, of a person unless said otherwise, and has its rank."""
    (one,) = keep(history, make_prediction(1))
    history.now = lambda: datetime(2026, 11, 26, 12, tzinfo=UTC)
    answer = client.put(f"/predictions/{one}/label", json=body)
    label = {"class_id": 2, "class_name": "zebra", "rank": 3, "source": "person",
             "labelled_at": "2026-11-26T12:00:00Z"}  # fmt: skip
    assert (answer.status_code, answer.json["label"]) == (200, label)
    assert client.get(f"/predictions/{one}").json == answer.json
    assert ids_of(client.get("/predictions?labelled=true")) == [one]


def test_a_label_beyond_the_kept_classes_has_no_rank(
    client: FlaskClient, history: FakeHistory
) -> None:
    """The truth may be a class that the model found unlikely."""
    (one,) = keep(history, make_prediction(1))
    label = client.put(f"/predictions/{one}/label", json={"class_id": 6}).json["label"]
    assert (label["class_name"], label["rank"]) == ("gazelle", None)


def test_the_same_label_again_changes_nothing(client: FlaskClient, history: FakeHistory) -> None:
    """PUT is idempotent: not even the time of the label changes; another label does change it."""
    (one,) = keep(history, make_prediction(1))
    path = f"/predictions/{one}/label"
    first = client.put(path, json={"class_id": 2, "source": "system"}).json
    assert client.put(path, json={"class_name": "zebra", "source": "system"}).json == first
    assert client.put(path, json={"class_id": 2}).json["label"]["source"] == "person"


def test_a_label_is_taken_back(client: FlaskClient, history: FakeHistory) -> None:
    """DELETE answers the prediction without it; without one it does so too."""
    (one,) = keep(history, make_prediction(1))
    client.put(f"/predictions/{one}/label", json={"class_id": 2})
    for _ in range(2):
        answer = client.delete(f"/predictions/{one}/label")
        assert (answer.status_code, answer.json["id"], answer.json["label"]) == (200, one, None)


LABELS = [
    (b"{}", "invalid_parameter", "Give either `class_id` or `class_name`, and not both."),
    (b'{"class_id": null}', "invalid_parameter", "Give either"),
    (b'{"class_id": 1, "class_name": "zebra"}', "invalid_parameter", "Give either"),
    (b'{"class_id": -1}', "invalid_parameter", "`class_id` does not fit."),
    (b'{"class_id": 2147483648}', "invalid_parameter", "`class_id` does not fit."),
    (b'{"class_id": "1"}', "invalid_parameter", "`class_id` must be a whole number."),
    (b'{"class_id": true}', "invalid_parameter", "`class_id` must be a whole number."),
    (b'{"class_id": 1.0}', "invalid_parameter", "`class_id` must be a whole number."),
    (b'{"class_name": 1}', "invalid_parameter", "`class_name` must be a text."),
    (b'{"class_name": ""}', "invalid_parameter", "`class_name` does not fit."),
    (b'{"class_name": "' + b"a" * 501 + b'"}', "invalid_parameter", "`class_name` is too long."),
    (b'{"class_name": "\\ud800"}', "invalid_parameter", "`class_name` does not fit."),
    (b'{"class_id": 1, "source": "robot"}', "invalid_parameter", "`source` does not fit."),
    (b'{"class_id": 1, "at": 5}', "invalid_parameter", "`at` is not known."),
    (b'{"class_id": 1, "labelled_at": 5}', "invalid_parameter", "`labelled_at` is not known."),
    (b"[]", "invalid_parameter", "The body must be a JSON object"),
    (b'{"class_name": "zebr"}', "invalid_parameter", "animals 1 has no such class."),
    (b'{"class_name": "\\u0000"}', "invalid_parameter", "animals 1 has no such class."),
    (b'{"class_id": 7}', "invalid_parameter", "animals 1 has no such class."),
    (b"", "malformed_request", "The body is empty."),
    (b"{", "malformed_request", "The body is not JSON."),
    (b"\xff", "malformed_request", "The body is not JSON"),
    (b"[" * 9000, "malformed_request", "The JSON is nested too deeply."),
    (b'{"class_id": 1, "class_id": 2}', "malformed_request", "`class_id` is in the JSON twice."),
    (b'{"class_id": ' + b"9" * 5000 + b"}", "malformed_request", "The JSON holds a number of"),
    (b'{"class_id": 1' + b" " * 65536 + b"}", "file_too_large", "A label has at most"),
]


@pytest.mark.parametrize(("body", "code", "detail"), LABELS)
def test_a_label_that_makes_no_sense_is_refused(
    client: FlaskClient, history: FakeHistory, body: bytes, code: str, detail: str
) -> None:
    """It is told what is wrong, and the prediction stays without a label."""
    (one,) = keep(history, make_prediction(1))
    path = f"/predictions/{one}/label"
    answer = client.put(path, data=body, content_type="application/json")
    assert (answer.json["code"], answer.json["detail"][: len(detail)]) == (code, detail)
    assert client.get(f"/predictions/{one}").json["label"] is None


def test_a_label_is_json(client: FlaskClient, history: FakeHistory) -> None:
    """A form is 415."""
    (one,) = keep(history, make_prediction(1))
    answer = client.put(f"/predictions/{one}/label", data={"class_id": "1"})
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


CALLS = [
    ("GET", "/predictions"),
    ("GET", "/predictions?limit=none"),
    ("GET", "/predictions/export"),
    ("GET", f"/predictions/{UNKNOWN}"),
    ("GET", "/predictions/x"),
    ("DELETE", f"/predictions/{UNKNOWN}"),
    ("PUT", f"/predictions/{UNKNOWN}/label"),
    ("DELETE", f"/predictions/{UNKNOWN}/label"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_where_none_is_kept_the_setting_is_told(
    app: App, client: FlaskClient, method: str, path: str
) -> None:
    """404 says how to have a history, whatever else is wrong."""
    app.service.tell_from(NoHistory())
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert "TOPFIVE_HISTORY_URL" in answer.json["detail"]


@pytest.mark.parametrize(("method", "path"), [one for one in CALLS if "x" not in one[1][-2:]])
def test_a_database_that_does_not_answer_is_told(
    client: FlaskClient, history: FakeHistory, method: str, path: str
) -> None:
    """503 in the history's own words, with the seconds to wait."""
    history.failure = HistoryUnavailable("The database does not answer.", retry_after_s=5)
    path = path.replace("?limit=none", "")
    body = {"json": {"class_id": 1}} if method == "PUT" else {}
    answer = client.open(path, method=method, **body)
    assert (answer.status_code, answer.json["code"]) == (503, "history_unavailable")
    assert answer.json["detail"] == "The database does not answer."
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "given",
    [
        {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"headers": {"Origin": "https://example.org"}},
        {"headers": {"Host": "example.org"}},
    ],
)
def test_without_keys_only_this_machine_asks(
    client: FlaskClient, history: FakeHistory, method: str, path: str, given: dict[str, Any]
) -> None:
    """What was predicted for others is told to nobody elsewhere."""
    answer = client.open(path, method=method, **given)
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "Set a key with the scope 'admin'" in answer.json["detail"]


@pytest.fixture(scope="module")
def guarded() -> Any:
    """An app with a key for each scope, each called as its scope."""
    entries = (f"{hashlib.sha256(one.encode()).hexdigest()}:{one}" for one in ("predict", "admin"))
    given = {"TOPFIVE_MODEL": "digits", "TOPFIVE_API_KEYS": ",".join(entries)}
    made = create_app(parse_settings(given))
    yield made
    made.service.close()


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    ("key", "statuses"),
    [(None, {401}), ("wrong", {401}), ("predict", {403}), ("admin", {200, 400, 404, 415})],
)
def test_keys_decide_where_they_are_set(
    guarded: App, method: str, path: str, key: str | None, statuses: set[int]
) -> None:
    """`admin` alone may ask; being on the machine itself helps nobody."""
    guarded.service.tell_from(FakeHistory())
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = guarded.test_client().open(path, method=method, headers=headers)
    assert answer.status_code in statuses


def test_the_document_tells_of_the_fields(client: FlaskClient) -> None:
    """/openapi.json has every filter by the name that callers use, with what it takes."""
    operation = client.get("/openapi.json").json["paths"]["/predictions"]["get"]
    named = {one["name"]: one["schema"] for one in operation["parameters"]}
    assert set(named) == {
        "since", "until", "model", "version", "class", "min_confidence", "max_confidence",
        "labelled", "request_id", "picture_sha256", "order", "limit", "cursor",
    }  # fmt: skip
    assert named["since"]["format"] == "date-time"
    assert re.fullmatch(named["picture_sha256"]["pattern"], "0" * 64)
