"""The page on which people label predictions, and the classes that a label may be."""

import hashlib

from flask.testing import FlaskClient

from tests.unit.fake_history import CLASSES, FakeHistory, make_prediction
from topfive.api import App, create_app
from topfive.errors import HistoryUnavailable
from topfive.history.contract import NoHistory
from topfive.settings import parse_settings

HTML = {"Accept": "text/html"}


def test_the_page_needs_no_database(client: FlaskClient, history: FakeHistory) -> None:
    """It comes at once also while the history does not answer, and names the model that serves."""
    history.failure = HistoryUnavailable(retry_after_s=3)
    page = client.get("/review", headers=HTML)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["Cache-Control"] == "no-cache"
    assert 'data-model="digits" data-version="1">' in page.text
    assert "data-asks-key" not in page.text


def test_its_policy_is_the_front_pages(client: FlaskClient) -> None:
    """Nothing inline, nothing from elsewhere, blob: for pictures that were dropped."""
    pages = [client.get(path, headers=HTML) for path in ("/", "/review")]
    policies = {one.headers["Content-Security-Policy"] for one in pages}
    assert len(policies) == 1
    assert [
        one for one in ("<script>", "<style", " style=", " onclick=") if one in pages[1].text
    ] == []


def test_without_a_history_it_says_which_setting(app: App, client: FlaskClient) -> None:
    """There is no page to label on, and no other page leads to it."""
    app.service.tell_from(NoHistory())
    page = client.get("/review", headers=HTML)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "TOPFIVE_HISTORY_URL" in page.text
    assert 'href="/review"' not in client.get("/", headers=HTML).text


def test_other_pages_lead_to_it(client: FlaskClient) -> None:
    """Where a history is kept, the foot of each page does."""
    for path in ("/", "/review", "/info", "/nothing"):
        assert '<a href="/review">Review predictions</a>' in client.get(path, headers=HTML).text


def test_html_needs_no_key_and_data_does() -> None:
    """The page comes without a key, and asks for one; classes come for the scope admin alone."""
    digest = hashlib.sha256(b"key").hexdigest()
    predicting = hashlib.sha256(b"predicting").hexdigest()
    keys = f"{digest}:admin,{predicting}:predict"
    made = create_app(parse_settings({"TOPFIVE_MODEL": "digits", "TOPFIVE_API_KEYS": keys}))
    try:
        one = make_prediction(1)
        made.service.tell_from(FakeHistory(one))
        client, path = made.test_client(), f"/predictions/{one.record.id}/classes"
        page = client.get("/review", headers=HTML)
        assert page.status_code == 200
        assert " data-asks-key" in page.text
        assert [
            client.get(path, headers={"X-API-Key": key}).status_code
            for key in ("", "wrong", "predicting", "key")
        ] == [401, 401, 403, 200]
    finally:
        made.service.close()


def test_all_classes_of_a_prediction_are_told(client: FlaskClient, history: FakeHistory) -> None:
    """They are those of the version that made it, in the order of their ids."""
    one = make_prediction(1)
    history.kept = {one.record.id: one}
    answer = client.get(f"/predictions/{one.record.id}/classes")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json == {"classes": list(CLASSES)}


def test_classes_of_no_prediction_are_not_found(client: FlaskClient) -> None:
    """An id that is none, and one of nothing, are told alike."""
    for one in ("1", "x" * 300, "019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90"):
        answer = client.get(f"/predictions/{one}/classes")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
