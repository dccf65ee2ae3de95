"""What /models/{name}/accuracy and /models/{name}/drift answer, and whom."""

import hashlib
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.unit.fake_history import FakeHistory
from tests.unit.service.live.observed import (
    MODEL,
    NOON_MS,
    FakeObservations,
    draw_predictions,
)
from topfive.api import App, create_app
from topfive.errors import HistoryUnavailable
from topfive.history.contract import NoHistory
from topfive.service.live.figures import NoFigures
from topfive.service.live.measures import MeasuredHistory, NoLiveMeasures
from topfive.settings import parse_settings

BOTH = ("/models/flowers/accuracy", "/models/flowers/drift")


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    """An app without API keys."""
    made = create_app(parse_settings({"TOPFIVE_MODEL": "digits"}))
    yield made
    made.service.close()


@pytest.fixture
def observations(app: App) -> FakeObservations:
    """What is measured; nothing is in it yet."""
    made = FakeObservations()
    app.service.tell_from(FakeHistory())
    measures = MeasuredHistory(made, lambda _: (), lambda: NOON_MS / 1000 + 3600)
    app.service.measure_with(measures, NoFigures())
    return made


@pytest.fixture
def client(app: App, observations: FakeObservations) -> FlaskClient:
    """A client on the machine itself."""
    return app.test_client()


def test_accuracy_is_told_with_intervals_and_counts(
    client: FlaskClient, observations: FakeObservations
) -> None:
    """Of forty labels, thirty of them right."""
    observations.labels = [(NOON_MS + place, 0.75, 1 if place < 30 else 0) for place in range(40)]
    observations.predictions = [(NOON_MS + place, 3, 0.75) for place in range(100)]
    answer = client.get("/models/flowers/accuracy")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    (told,) = answer.json["versions"]
    wilson = {"value": 0.75, "low": 0.59806, "high": 0.858129}
    assert told | {"calibration": None} == {
        "version": "1",
        "digest": MODEL.digest,
        "labels": 40,
        "is_enough": True,
        "note": None,
        "since": "2026-11-20T12:00:00Z",
        "until": "2026-11-20T12:00:00.039000Z",
        "top1": wilson,
        "top5": wilson,
        "held_out_top1": None,
        "calibration": None,
        "sampling": {
            "labelled_mean_confidence": 0.75,
            "predicted_mean_confidence": 0.75,
            "is_representative": True,
        },
        "days": [{"date": "2026-11-20", "labels": 40, "top1": wilson, "top5": wilson}],
    }
    assert (answer.json["model"], answer.json["least_labels"]) == ("flowers", 30)
    calibration = told["calibration"]
    assert (calibration["error"], calibration["is_off"]) == (0, False)
    assert [one["accuracy"] for one in calibration["bins"] if one["count"]] == [wilson]
    assert [one["accuracy"] for one in calibration["bins"] if not one["count"]] == [None] * 14


def test_what_nobody_labelled_is_null_and_said(client: FlaskClient) -> None:
    """Every key is there all the same."""
    (told,) = client.get("/models/flowers/accuracy").json["versions"]
    assert (told["labels"], told["is_enough"], told["note"]) == (
        0,
        False,
        "Nothing is labelled yet.",
    )
    assert told["top1"] is told["calibration"] is told["sampling"] is told["since"] is None


def test_drift_is_told_beside_its_bounds(
    client: FlaskClient, observations: FakeObservations
) -> None:
    """Where nothing has changed it is no alarm, and says of how many predictions that is."""
    observations.predictions = draw_predictions(1700, seed=1)
    answer = client.get("/models/flowers/drift")
    (told,) = answer.json["versions"]
    assert answer.json["least_predictions"] == 200
    assert told["reference"] == {
        "source": "first_predictions",
        "count": 1000,
        "wanted": 1000,
        "is_complete": True,
    }
    assert (told["window"]["count"], told["is_enough"], told["is_alarm"]) == (500, True, False)
    assert told["classes"]["psi"] < told["classes"]["threshold"] == 0.2
    assert told["confidences"]["ks"] < told["confidences"]["threshold"] == 0.15
    assert told["classes"]["groups"][0]["first_class_name"] == "class 0"
    assert len(told["confidences"]["bins"]) == 15
    assert [(one["date"], one["predictions"]) for one in told["days"]] == [("2026-11-20", 500)]


def test_too_few_predictions_are_said_to_be(client: FlaskClient) -> None:
    """There is no drift told then."""
    (told,) = client.get("/models/flowers/drift").json["versions"]
    assert told["classes"] is told["confidences"] is None
    assert (told["is_enough"], told["is_alarm"]) == (False, False)
    assert told["note"].startswith("The first 1000 predictions become the reference")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("labels=0", "`labels` must be a whole number from 1 to 10000, not"),
        ("labels=many", "`labels` must be a whole number from 1 to 10000, not"),
        ("days=0", "`days` must be a whole number from 1 to 3650, not"),
        ("colour=red", "`colour` is not known."),
        ("labels=5&labels=6", "`labels` is given twice, with different values."),
    ],
)
def test_a_nonsense_query_is_told(client: FlaskClient, query: str, told: str) -> None:
    """In one sentence, with what may stand there."""
    answer = client.get(f"/models/flowers/accuracy?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert told in answer.json["detail"]


@pytest.mark.parametrize("path", ["oaks", "flowers?version=9", "flowers?version=1' OR '1'='1"])
@pytest.mark.parametrize("what", ["accuracy", "drift"])
def test_what_is_not_known_is_not_found(client: FlaskClient, path: str, what: str) -> None:
    """A name or version that no bundle has, and of which nothing is kept."""
    name, _, query = path.partition("?")
    answer = client.get(f"/models/{name}/{what}?{query}")
    assert (answer.status_code, answer.json["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", BOTH)
def test_without_a_history_it_says_how_to_have_one(
    app: App, client: FlaskClient, path: str
) -> None:
    """Whatever else is wrong with the request."""
    app.service.tell_from(NoHistory())
    app.service.measure_with(NoLiveMeasures(), NoFigures())
    answer = client.get(f"{path}?colour=red")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert "TOPFIVE_HISTORY_URL" in answer.json["detail"]


@pytest.mark.parametrize("path", BOTH)
def test_a_database_that_is_away_is_told(app: App, client: FlaskClient, path: str) -> None:
    """With when to try again."""

    class Away(FakeObservations):
        def models(self, name=None):
            raise HistoryUnavailable(retry_after_s=5)

    app.service.measure_with(MeasuredHistory(Away(), lambda _: ()), NoFigures())
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (503, "history_unavailable")
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", BOTH)
def test_strangers_are_told_nothing(client: FlaskClient, path: str) -> None:
    """Without keys it is answered to the machine itself alone."""
    answer = client.get(path, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize(("scope", "status"), [("predict", 403), ("admin", 200)])
def test_with_keys_it_asks_for_the_scope_admin(scope: str, status: int) -> None:
    """A key that may only predict learns nothing of it."""
    digest = hashlib.sha256(b"secret").hexdigest()
    app = create_app(
        parse_settings({"TOPFIVE_MODEL": "digits", "TOPFIVE_API_KEYS": f"{digest}:{scope}"})
    )
    app.service.tell_from(FakeHistory())
    app.service.measure_with(MeasuredHistory(FakeObservations(), lambda _: ()), NoFigures())
    answer = app.test_client().get(BOTH[0], headers={"X-API-Key": "secret"})
    app.service.close()
    assert answer.status_code == status
