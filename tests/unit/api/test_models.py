"""What the routes about models answer, and whom; the orders are a test's."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.unit.fake_orders import FIRST, FakeOrders
from topfive.api import App, create_app
from topfive.errors import ModelBusy, ModelRefused
from topfive.models import RollbackView, RouteView, ShadowView, TargetView, WorkerView
from topfive.service.no_orders import NoModelOrders
from topfive.settings import parse_settings

VERSION_2 = "/models/flowers/versions/2"
SHOWN = {
    "name": "flowers",
    "version": "1",
    "digest": "a" * 64,
    "architecture": "mobilenet_v2",
    "num_classes": 102,
    "state": "ready",
    "reason": None,
    "active": True,
    "pinned": True,
    "routes": ["default"],
    "memory_bytes": 60_000_000,
    "engine": "openvino",
    "precision": "f32",
    "metrics": {"imagenet_top1": 71.9},
}
NEW_ROUTE = {
    "targets": [
        {"model": "flowers", "version": "1", "weight": 90},
        {"model": "flowers", "weight": 10},
    ],
    "shadow": {"model": "flowers", "version": "2"},
}


def open_app(**settings: str) -> App:
    """Make an app with the embedded model and these settings."""
    given = {f"TOPFIVE_{name.upper()}": value for name, value in settings.items()}
    return create_app(parse_settings({"TOPFIVE_MODEL": "digits"} | given))


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    """An app without API keys."""
    made = open_app()
    yield made
    made.service.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[App]:
    """An app with a key for each scope, each called as its scope."""
    entries = (f"{hashlib.sha256(one.encode()).hexdigest()}:{one}" for one in ("predict", "admin"))
    made = open_app(api_keys=",".join(entries))
    yield made
    made.service.close()


@pytest.fixture
def orders(app: App) -> FakeOrders:
    """The orders that the app without keys takes."""
    made = FakeOrders()
    app.service.take_orders_with(made)
    return made


@pytest.fixture
def client(app: App, orders: FakeOrders) -> FlaskClient:
    """A client on the machine itself."""
    return app.test_client()


def test_all_models_and_routes_are_told(client: FlaskClient) -> None:
    """GET /models tells every model with every key, the routes, and the generation."""
    answer = client.get("/models")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    found = answer.json
    assert list(found) == ["generation", "settled", "models", "routes"]
    assert (found["generation"], found["settled"]) == (7, True)
    assert found["models"][1] == SHOWN
    assert list(found["models"][1]) == list(SHOWN)
    assert [one["state"] for one in found["models"]] == ["available", "ready"]
    target = {"model": "flowers", "version": None, "weight": 100}
    assert found["routes"] == {"default": {"targets": [target], "shadow": None, "rolled_back": []}}


def test_workers_are_told_while_they_disagree(client: FlaskClient, orders: FakeOrders) -> None:
    """Each worker's state stands there, with its reason, until all agree."""
    workers = (WorkerView(1, "ready"), WorkerView(2, "failed", "The golden input disagrees."))
    orders.models = [replace(FIRST, state="failed", reason="One of two.", workers=workers)]
    found = client.get("/models/flowers/versions/1").json
    assert found["reason"] == "One of two."
    assert found["workers"] == [
        {"worker": 1, "state": "ready", "reason": None},
        {"worker": 2, "state": "failed", "reason": "The golden input disagrees."},
    ]


def test_what_was_taken_off_a_route_is_told(client: FlaskClient, orders: FakeOrders) -> None:
    """A route tells its shadow, and which target went to 0 by itself, why and when, in UTC."""
    at = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    orders.routes["default"] = RouteView(
        (TargetView("flowers", "1", 100), TargetView("flowers", "2", 0)),
        ShadowView("flowers", "3"),
        (RollbackView("flowers", "2", "p99", at),),
    )
    route = client.get("/models").json["routes"]["default"]
    assert route["shadow"] == {"model": "flowers", "version": "3"}
    assert route["rolled_back"] == [
        {"model": "flowers", "version": "2", "reason": "p99", "at": "2026-11-26T00:30:00Z"}
    ]


def test_the_versions_of_a_name_are_told(client: FlaskClient) -> None:
    """GET /models/{name} tells which version is active, which is the latest, and all of them."""
    found = client.get("/models/flowers").json
    assert list(found) == ["name", "active", "latest", "versions"]
    assert (found["name"], found["active"], found["latest"]) == ("flowers", "1", "2")
    assert [one["version"] for one in found["versions"]] == ["2", "1"]


def test_a_version_can_be_named_by_its_digest(client: FlaskClient) -> None:
    """`sha256:` and the digest stand for the version, also with the colon escaped."""
    for colon in (":", "%3A"):
        found = client.get(f"/models/flowers/versions/sha256{colon}{'a' * 64}")
        assert found.json == SHOWN


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/models/flower", "Did you mean flowers?"),
        ("/models/flowers/versions/9", "Known are 2 and 1."),
    ],
)
def test_what_is_unknown_is_told_with_what_is_near(
    client: FlaskClient, path: str, detail: str
) -> None:
    """404 model_not_found says in the orders' words what there is."""
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "model_not_found")
    assert answer.json["detail"].endswith(detail)


@pytest.mark.parametrize(
    "path",
    [
        "/models/..",
        "/models/.%00",
        "/models/%2e%2e/versions/1",
        "/models/flowers/versions/..%5C..",
        "/models/flowers/versions/.state.json",
        "/models/flowers/versions/sha256:12",
        "/models/<script>",
        "/models/" + "a" * 129,
        "/models/flowers%0A",
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_no_model_is_called_goes_no_further(
    client: FlaskClient, orders: FakeOrders, method: str, path: str
) -> None:
    """Names and versions that lead elsewhere on a disk, or hold control characters, are refused."""
    answer = client.open(path, method=method)
    assert answer.status_code in (400, 404, 405)
    if answer.status_code == 400:
        assert answer.json["code"] == "invalid_parameter"
        assert "has a form that it cannot have" in answer.json["detail"]
    assert orders.ordered == []


@pytest.mark.parametrize("path", ["/models/a/../../etc", "/models/a%2F..%2F..%2Fetc", "/models/"])
def test_a_path_that_climbs_is_no_address(client: FlaskClient, path: str) -> None:
    """What has a slash within is another address, where nothing is."""
    assert client.get(path).json["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "name", "state"),
    [
        ("POST", f"{VERSION_2}/load", "load", "ready"),
        ("POST", f"{VERSION_2}/activate", "activate", "ready"),
        ("DELETE", VERSION_2, "unload", "available"),
    ],
)
def test_an_order_is_taken(
    client: FlaskClient, orders: FakeOrders, method: str, path: str, name: str, state: str
) -> None:
    """202 has the new generation, whether all have followed, and the model as it is now."""
    answer = client.open(f"{path}?wait_s=20", method=method)
    assert answer.status_code == 202
    assert list(answer.json) == ["generation", "settled", "model"]
    assert (answer.json["generation"], answer.json["settled"]) == (8, True)
    assert (answer.json["model"]["version"], answer.json["model"]["state"]) == ("2", state)
    assert orders.ordered == [(name, "flowers", "2", 20)]


def test_an_order_that_is_not_waited_for_is_not_settled(
    client: FlaskClient, orders: FakeOrders
) -> None:
    """Without `wait_s` nobody waits, and `settled` tells whether all have followed already."""
    orders.is_settled = False
    assert client.post(f"{VERSION_2}/load").json["settled"] is False
    assert orders.ordered == [("load", "flowers", "2", 0)]


def test_a_route_is_set(client: FlaskClient, orders: FakeOrders) -> None:
    """PUT /routes/{alias} takes targets and a shadow, and answers what the alias leads to."""
    answer = client.put("/routes/default?wait_s=5", json=NEW_ROUTE)
    assert answer.status_code == 202
    assert list(answer.json) == ["generation", "settled", "route"]
    targets = (TargetView("flowers", "1", 90), TargetView("flowers", None, 10))
    route = RouteView(targets, ShadowView("flowers", "2"))
    assert orders.ordered == [("set_route", "default", route, 5)]
    assert answer.json["route"]["targets"][1] == {"model": "flowers", "version": None, "weight": 10}
    assert answer.json["route"] == client.get("/models").json["routes"]["default"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"[]", "The body must be a JSON object"),
        (b"{}", "`targets` is missing."),
        (b'{"targets": []}', "`targets` has too few entries."),
        (b'{"targets": [{"weight": 1}]}', "`targets.0.model` is missing."),
        (b'{"targets": [{"model": "a"}]}', "`targets.0.weight` is missing."),
        (b'{"targets": [{"model": "a", "weight": -1}]}', "`targets.0.weight` does not fit."),
        (b'{"targets": [{"model": "a", "weight": 1e9}]}', "`targets.0.weight` must be"),
        (b'{"targets": [{"model": "a", "weight": "1"}]}', "`targets.0.weight` must be"),
        (b'{"targets": [{"model": "a", "weight": 1000001}]}', "`targets.0.weight` does not fit."),
        (b'{"targets": [{"model": "../a", "weight": 1}]}',
         "`targets.0.model` has a form that it cannot have."),
        (b'{"targets": [{"model": "a", "weight": 1}], "shadows": {}}', "`shadows` is not known."),
        (b'{"targets": [{"model": "a", "weight": 1}], "shadow": {"model": "a", "weight": 1}}',
         "`shadow.weight` is not known."),
        (b'{"targets": [' + b",".join([b'{"model": "a", "weight": 1}'] * 17) + b"]}",
         "`targets` has too many entries."),
        (b'{"targets": [{"model": "a", "weight": 0}]}',
         "All weights are 0. Give at least one target a weight above 0."),
    ],
)  # fmt: skip
def test_a_route_that_makes_no_sense_is_refused(
    client: FlaskClient, orders: FakeOrders, body: bytes, detail: str
) -> None:
    """400 names the field that is wrong, and nothing is ordered."""
    answer = client.put("/routes/default", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert answer.json["detail"].startswith(detail)
    assert orders.ordered == []


@pytest.mark.parametrize("body", [b"", b'{"targets": ', b'{"targets": [], "targets": []}', b"\xff"])
def test_a_route_that_is_no_json_is_refused(
    client: FlaskClient, orders: FakeOrders, body: bytes
) -> None:
    """400 malformed_request, as for every body that is to be JSON."""
    answer = client.put("/routes/default", data=body, content_type="application/json")
    assert (answer.json["code"], orders.ordered) == ("malformed_request", [])


def test_a_route_is_json_and_small(client: FlaskClient, orders: FakeOrders) -> None:
    """Another content type is 415, over 64 KiB is 413."""
    form = client.put("/routes/default", data={"targets": "flowers"})
    assert form.json["code"] == "unsupported_media_type"
    large = b'{"targets": [' + b" " * 65536 + b"]}"
    answer = client.put("/routes/default", data=large, content_type="application/json")
    assert (answer.json["code"], orders.ordered) == ("file_too_large", [])


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("wait_s=301", "`wait_s` must be a whole number from 0 to 300, not '301'."),
        ("wait_s=-1", "`wait_s` must be a whole number from 0 to 300, not '-1'."),
        ("wait_s=soon", "`wait_s` must be a whole number from 0 to 300, not 'soon'."),
        ("wait=5", "`wait` is not known. Did you mean `wait_s`?"),
    ],
)
def test_a_wrong_wait_is_told(
    client: FlaskClient, orders: FakeOrders, query: str, detail: str
) -> None:
    """The query of an order is read strictly: nobody waits by mistake, or fails to."""
    for call in (client.post(f"{VERSION_2}/load?{query}"), client.delete(f"{VERSION_2}?{query}")):
        assert (call.status_code, call.json["code"]) == (400, "invalid_parameter")
        assert call.json["detail"] == detail
    assert orders.ordered == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (ModelBusy("Another change of flowers@2 is under way."), 409),
        (ModelRefused("model.bin does not match its hash. flowers@1 goes on serving."), 422),
    ],
)
def test_an_order_that_is_refused_says_why(
    client: FlaskClient, orders: FakeOrders, failure: Any, status: int
) -> None:
    """409 and 422 have the orders' own words."""
    orders.failure = failure
    for answer in (
        client.post(f"{VERSION_2}/activate"),
        client.delete(VERSION_2),
        client.put("/routes/default", json=NEW_ROUTE),
    ):
        assert (answer.status_code, answer.json["code"]) == (status, failure.code)
        assert answer.json["detail"] == failure.detail


def test_few_orders_wait_at_a_time(app: App, client: FlaskClient, orders: FakeOrders) -> None:
    """Two wait; a third is taken and answered at once, so that pages find a thread."""
    may_end = Event()
    orders.while_ordering = lambda: may_end.wait(30)
    path = f"{VERSION_2}/load?wait_s=300"
    waiting = [Thread(target=lambda: app.test_client().post(path)) for _ in range(2)]
    begun = [Event(), Event()]
    for thread, has_begun in zip(waiting, begun, strict=True):
        orders.while_ordering = lambda sign=has_begun: (sign.set(), may_end.wait(30))
        thread.start()
        assert has_begun.wait(30)
    orders.while_ordering = lambda: None
    assert client.post(path).status_code == 202
    assert orders.ordered == [("load", "flowers", "2", 0)]
    may_end.set()
    for thread in waiting:
        thread.join()
    assert client.post(path).status_code == 202
    assert [order[-1] for order in orders.ordered] == [0, 300, 300, 300]


@pytest.mark.parametrize(
    ("key", "reads", "orders"), [(None, 401, 401), ("wrong", 401, 401), ("predict", 200, 403),
                                 ("admin", 403, 202)]
)  # fmt: skip
def test_keys_decide_where_they_are_set(
    guarded: App, key: str | None, reads: int, orders: int
) -> None:
    """`predict` reads and `admin` orders; being on the machine itself helps nobody."""
    guarded.service.take_orders_with(FakeOrders())
    client = guarded.test_client()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    assert client.get("/models", headers=headers).status_code == reads
    assert client.post(f"{VERSION_2}/load", headers=headers).status_code == orders
    put = client.put("/routes/default", json=NEW_ROUTE, headers=headers)
    assert put.status_code == orders


@pytest.mark.parametrize(
    "given",
    [
        {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"headers": {"Origin": "https://example.org"}},
        {"headers": {"Host": "example.org"}},
    ],
)
def test_without_keys_only_this_machine_orders(
    client: FlaskClient, orders: FakeOrders, given: dict[str, Any]
) -> None:
    """Whoever is elsewhere may read, and is told with 403 that a key is needed to order."""
    assert client.get("/models", **given).status_code == 200
    answers = [
        client.post(f"{VERSION_2}/load", **given),
        client.post(f"{VERSION_2}/activate", **given),
        client.delete(VERSION_2, **given),
        client.put("/routes/default", json=NEW_ROUTE, **given),
    ]
    assert [(one.status_code, one.json["code"]) for one in answers] == [(403, "forbidden")] * 4
    assert "Set a key with the scope 'admin'" in answers[0].json["detail"]
    assert orders.ordered == []


def test_a_trusted_proxy_makes_nobody_local() -> None:
    """Whoever comes by a proxy is elsewhere, whatever address the headers give."""
    app = open_app(trusted_proxies="1")
    orders = FakeOrders()
    app.service.take_orders_with(orders)
    sent = {"X-Forwarded-For": "192.0.2.7, 127.0.0.1"}
    assert app.test_client().post(f"{VERSION_2}/load", headers=sent).status_code == 403
    assert orders.ordered == []
    app.service.close()


def test_a_service_without_orders_tells_of_no_models() -> None:
    """The stand-in knows no models and refuses orders, in words."""
    app = open_app()
    app.service.take_orders_with(NoModelOrders())
    client = app.test_client()
    assert client.get("/models").json["models"] == []
    assert client.get("/models/flowers").json["code"] == "model_not_found"
    assert client.post(f"{VERSION_2}/load").json["code"] == "model_refused"
    assert client.put("/routes/default", json=NEW_ROUTE).json["code"] == "model_refused"
    app.service.close()
