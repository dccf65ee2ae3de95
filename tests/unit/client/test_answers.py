"""What the client makes of an answer."""

import json
from email.utils import formatdate
from time import time

import pytest

from topfive.client.answers import (
    Answer,
    Collecting,
    LineSplitter,
    batch_head,
    health_of,
    limits_of,
    models_of,
    prediction_of,
    retry_after_s,
)
from topfive.client.errors import NotTopfive, Refused
from topfive.client.results import BatchHead, ModelRef

PREDICTION = {
    "request_id": "id-1",
    "model": {"name": "digits", "version": "1"},
    "predictions": [{"class_id": 3, "class_name": "three", "confidence": 0.9}],
    "image": {"format": "PNG", "width": 20, "height": 10},
    "timing_ms": {"queue": 0, "decode": 1.5, "inference": 2, "total": 3.5},
}
HEALTH = {
    "status": "unavailable",
    "model_loaded": False,
    "model": "resnet50",
    "model_version": None,
    "uptime_seconds": 0.2,
    "timestamp": "2026-11-21T10:04:16.135584Z",
    "reason": "The weights could not be downloaded.",
}
PROBLEM = {"code": "overloaded", "detail": "Full.", "request_id": "id-2"}


def answer(found, status=200, **headers):
    """Make an answer of a JSON value, or of bytes."""
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer("http://host", status, named, body)


def test_a_prediction_is_read_whole():
    """All that the JSON tells is in the value."""
    heatmap = {"class_id": 3, "width": 2, "height": 1, "png": "UE5H"}
    found = prediction_of(answer(PREDICTION | {"degraded": True, "heatmap": heatmap}))
    assert (found.request_id, found.model.name, found.best.class_name) == (
        "id-1",
        "digits",
        "three",
    )
    assert (found.image.width, found.timing_ms.total) == (20, 3.5)
    assert found.degraded
    assert found.heatmap.png == b"PNG"


def test_keys_of_a_newer_service_are_passed_over():
    """A client goes on working when answers get more keys."""
    assert prediction_of(answer(PREDICTION | {"new": 1})).best.confidence == 0.9


@pytest.mark.parametrize(
    "found",
    [
        {},
        [],
        b"<html>",
        b"",
        b"[" * 100_000,
        {**PREDICTION, "predictions": []},
        {**PREDICTION, "predictions": [{}]},
        {**PREDICTION, "image": None},
        {**PREDICTION, "heatmap": {"class_id": 3, "width": 2, "height": 1, "png": "?"}},
        {"predictions": "yes"},
    ],
)
def test_what_is_no_prediction_is_not_topfives(found):
    """Whatever else is answered with status 200 is one clear error."""
    with pytest.raises(NotTopfive):
        prediction_of(answer(found))


def test_a_failure_has_its_code_and_request():
    """The problem is an error with all that it tells, and the wait of the header."""
    with pytest.raises(Refused) as told:
        prediction_of(answer(PROBLEM, 503, retry_after="7"))
    error = told.value
    assert (error.code, error.detail, error.request_id) == ("overloaded", "Full.", "id-2")
    assert (error.status, error.retry_after_s, error.may_pass) == (503, 7.0, True)
    assert str(error) == "Full. (overloaded)"


@pytest.mark.parametrize(("status", "may_pass"), [(502, True), (503, True), (404, False)])
def test_a_failure_of_another_server_is_told_apart(status, may_pass):
    """A page of a proxy is no failure of topfive, and passes only where the proxy waits for one."""
    with pytest.raises(NotTopfive, match=str(status)) as told:
        prediction_of(answer(b"<html>Bad gateway</html>", status))
    assert told.value.may_pass == may_pass


def test_a_redirect_names_the_address_to_give():
    """A key is sent to no other address by itself."""
    with pytest.raises(NotTopfive, match=r"https://host/predict\. Give that address"):
        prediction_of(answer(b"", 308, location="https://host/predict"))


def test_an_unavailable_service_has_health_too():
    """The status 503 of /health is an answer; a problem there is an error."""
    found = health_of(answer(HEALTH, 503))
    assert (found.status, found.model_version) == ("unavailable", None)
    assert found.timestamp.year == 2026
    with pytest.raises(Refused, match="Full"):
        health_of(answer(PROBLEM, 503))


def test_models_and_routes_are_read():
    """What leads where, and what was taken off, are values too."""
    route = {
        "targets": [{"model": "a", "version": None, "weight": 1}],
        "shadow": {"model": "b", "version": "2"},
        "rolled_back": [{"model": "c", "version": "3", "reason": "5%", "at": HEALTH["timestamp"]}],
    }
    found = models_of(
        answer({"generation": 1, "settled": True, "models": [], "routes": {"default": route}})
    )
    assert found.routes["default"].targets[0].version is None
    assert found.routes["default"].shadow.model == "b"
    assert found.routes["default"].rolled_back[0].at.month == 11


def test_a_service_without_batches_has_no_limits_for_them():
    """What it does not tell of is 0."""
    found = limits_of(answer({"limits": {"max_upload_bytes": 5}}))
    assert (found.max_upload_bytes, found.batch_max_pictures) == (5, 0)


def test_a_batch_is_answered_in_lines_or_is_none():
    """JSON in one piece was not asked for."""
    lines = {"content_type": "application/x-ndjson", "x_request_id": "id-3"}
    assert batch_head(answer(b"", **lines)) == BatchHead("id-3")
    more = {"x_topfive_model": "flowers@1.2", "x_topfive_degraded": "true", "ratelimit_reset": "9"}
    expected = BatchHead("id-3", ModelRef("flowers", "1.2"), degraded=True, quota_reset_s=9)
    assert batch_head(answer(b"", **lines, **more)) == expected
    with pytest.raises(NotTopfive):
        batch_head(answer(b"", content_type="text/html"))
    with pytest.raises(Refused, match="overloaded"):
        batch_head(answer(PROBLEM, 503))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_proxy_may_keep_the_limits_to_itself(status):
    """Then those that most services have are tried."""
    assert limits_of(answer(b"<html>", status)).batch_max_pictures == 64


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("59", 59),
        (" 7 ", 7),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("9" * 50, 86_400),
    ],
)
def test_retry_after_is_seconds(value, expected):
    """What cannot be read counts as not there; a day is the most that is believed."""
    assert retry_after_s({"retry-after": value}) == expected


def test_retry_after_may_be_a_date():
    """Proxies write it so; one that has passed means now."""
    assert 100 < retry_after_s({"retry-after": formatdate(time() + 120, usegmt=True)}) <= 120
    assert retry_after_s({"retry-after": formatdate(0, usegmt=True)}) == 0


def test_lines_are_whole_however_they_arrive():
    """The same lines come out, whatever the pieces; empty ones keep a connection alive."""
    text = b'{"a": 1}\n\n\r\n{"b": 2}\n{"c'
    for size in (1, 3, 100):
        splitter = LineSplitter()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        lines = [line for piece in pieces for line in splitter.feed(piece)]
        assert lines == [b'{"a": 1}', b'{"b": 2}']


def test_what_never_ends_is_ended():
    """Neither a body nor a line takes more memory than an answer of topfive may."""
    pieces = [b"1" * (1024 * 1024)] * 40
    for take in (Collecting().add, LineSplitter().feed):
        with pytest.raises(NotTopfive):
            list(map(take, pieces))
