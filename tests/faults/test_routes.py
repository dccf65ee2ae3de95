"""Routes of the running service: shares, callers that stay, canaries that go, shadows."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_metrics import samples
from tests.live_server import Answer, LiveServer, form, run_server
from tests.pictures import png
from tests.unit.bundle_copies import copy_bundle

WITHIN_S = 30
ROUTES = (
    "default=tiny@1:90,tiny@2:10",
    "even=tiny@1:50,tiny@2:50",
    "watched=tiny@1:100,tiny@3:shadow",
    "own=tiny@1:100,tiny@1:shadow",
)


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with several versions of the tiny model."""
    folder = tmp_path_factory.mktemp("models")
    for version in ("1", "2", "3", "failing", "slow"):
        copy_bundle(tiny_folder, folder / "tiny" / version, version=version)
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two workers and routes."""
    with run_server(
        tmp_path_factory.mktemp("server"),
        model="tiny@1",
        models_dir=str(models),
        workers="2",
        routes=";".join(ROUTES),
        shadow_min_idle="0",
    ) as one:
        yield one


def classify(
    server: LiveServer, times: int, query: str = "", headers: dict[str, str] | None = None
) -> list[Answer]:
    """Send a picture so many times, on eight kept connections in turn."""
    body, content_type = form(png(8, 8))
    answers = []
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(server.connect())) for _ in range(8)]
        for number in range(times):
            connection = connections[number % len(connections)]
            connection.request(
                "POST", f"/predict{query}", body, {"Content-Type": content_type} | (headers or {})
            )
            response = connection.getresponse()
            answers.append(Answer(response.status, response.headers, response.read()))
    return answers


def versions(answers: list[Answer]) -> Counter[str]:
    """Count which versions answered; all requests must have been."""
    assert {one.status for one in answers} == {200}
    return Counter(one.json["model"]["version"] for one in answers)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_requests_are_shared_by_weight(server: LiveServer) -> None:
    """Of 1,000 requests each version gets its share within 1%, over both workers."""
    got = versions(classify(server, 1000))
    assert got.keys() == {"1", "2"}
    assert abs(got["2"] - 100) <= 10


def test_an_alias_can_be_named(server: LiveServer) -> None:
    """`model` may be an alias, whose own weights hold."""
    got = versions(classify(server, 200, "?model=even"))
    assert abs(got["2"] - 100) <= 6


@pytest.mark.parametrize(
    "query", ["?model=tiny&version=3", "?model=tiny@3", "?version=3", "?model=tiny"]
)
def test_what_is_named_wins_over_routes(server: LiveServer, query: str) -> None:
    """A model or version that is named answers, whatever the weights are."""
    expected = "3" if "3" in query else "1"
    assert versions(classify(server, 20, query)) == {expected: 20}


def test_an_alias_has_no_versions(server: LiveServer) -> None:
    """A version of an alias is asked of a model of that name, and there is none."""
    (answer,) = classify(server, 1, "?model=even&version=1")
    assert (answer.status, answer.code) == (404, "model_not_found")


def test_a_caller_with_a_route_key_stays(server: LiveServer) -> None:
    """Requests with the same `X-Route-Key` get the same version from both workers."""
    chosen = set()
    for number in range(20):
        got = versions(classify(server, 8, "?model=even", {"X-Route-Key": f"user {number}"}))
        assert len(got) == 1
        chosen |= set(got)
    assert chosen == {"1", "2"}


def test_a_caller_with_an_api_key_stays(models: Path, tmp_path: Path) -> None:
    """Requests with the same API key get the same version, unless a route key is there."""
    keys = [f"key {number}" for number in range(12)]
    digests = [sha256(one.encode()).hexdigest() for one in keys]
    with run_server(
        tmp_path,
        model="tiny@1",
        models_dir=str(models),
        workers="2",
        api_keys=",".join(digests),
        routes="default=tiny@1:50,tiny@2:50",
    ) as server:
        found = [versions(classify(server, 8, headers={"X-API-Key": one})) for one in keys]
        assert all(len(one) == 1 for one in found)
        assert {version for one in found for version in one} == {"1", "2"}
        headers = ({"X-API-Key": keys[0], "X-Route-Key": str(number)} for number in range(20))
        assert len({next(iter(versions(classify(server, 1, headers=one)))) for one in headers}) == 2
        assert all(digest[:8] not in line for digest in digests for line in server.lines)


def test_a_shadow_sees_pictures_and_changes_no_answer(server: LiveServer) -> None:
    """With a shadow the answers are those without, and what it says is in the metrics."""
    without = [told(one) for one in classify(server, 20, "?model=tiny&version=1")]
    watched = [told(one) for one in classify(server, 20, "?model=watched")]
    assert watched == without
    agreed = 'topfive_shadow_predictions_total{model="tiny",outcome="agreed",version="3"}'
    seen = (agreed, 'topfive_shadow_dropped_total{reason="busy"}')
    wait_for(lambda: sum(samples(server).get(one, 0) for one in seen) == 20)
    found = samples(server)
    assert found[agreed] > 0
    assert (
        found['topfive_shadow_inference_seconds_count{model="tiny",version="3"}'] == found[agreed]
    )
    assert found["topfive_decoded_bytes_in_flight"] == 0


def test_a_model_is_no_shadow_of_itself(server: LiveServer) -> None:
    """What has answered is not asked again."""
    classify(server, 5, "?model=own")
    assert not any(
        "shadow_predictions" in name and 'version="1"' in name for name in samples(server)
    )


def told(answer: Answer) -> Any:
    """Take from an answer what does not differ from one request to the next."""
    assert answer.status == 200
    return {key: answer.json[key] for key in ("model", "predictions", "image")}


SPOILT = {
    "module": "tests.faults.failing_server",
    "model": "tiny@1",
    "workers": "2",
    "routes": "default=tiny@1:50,tiny@failing:50;tried=tiny@1:50,tiny@slow:50",
    "canary_min_requests": "10",
    "canary_max_error_rate": "0.2",
}


@pytest.fixture(scope="module")
def spoilt(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two workers, whose canaries fail or are slow."""
    folder = tmp_path_factory.mktemp("spoilt")
    with run_server(folder, models_dir=str(models), **SPOILT) as one:
        yield one


def test_a_canary_that_fails_is_rolled_back_by_itself(spoilt: LiveServer) -> None:
    """It gets no requests any more, the others all of them; the log and the metrics say why."""
    wait_for(lambda: {one.status for one in classify(spoilt, 10)} == {200})
    (event,) = rollbacks(spoilt, "default")
    assert (event["model"], event["version"], event["cause"]) == ("tiny", "failing", "errors")
    assert event["reason"].endswith("requests failed; at most 20.0% may.")
    assert versions(classify(spoilt, 50)) == {"1": 50}
    route = spoilt.get("/models").json["routes"]["default"]
    assert [one["weight"] for one in route["targets"]] == [50, 0]
    (told_of,) = route["rolled_back"]
    assert (told_of["version"], told_of["reason"]) == ("failing", event["reason"])
    found = samples(spoilt)
    labels = 'cause="errors",model="tiny",version="failing"'
    assert found[f"topfive_rollbacks_total{{{labels}}}"] == 1
    assert found['topfive_model_errors_total{model="tiny",version="failing"}'] > 10


def test_a_slow_canary_is_rolled_back_by_itself(spoilt: LiveServer) -> None:
    """A p99 that is many times the main version's is enough, though every answer is right."""
    wait_for(lambda: versions(classify(spoilt, 40, "?model=tried")) == {"1": 40})
    (event,) = rollbacks(spoilt, "tried")
    assert (event["model"], event["version"], event["cause"]) == ("tiny", "slow", "p99")
    assert "the p99 of its inference is 2" in event["reason"]


def test_a_restart_does_not_bring_a_canary_back(
    spoilt: LiveServer, models: Path, tmp_path: Path
) -> None:
    """A server with the same settings begins with the routes as they were left."""
    assert rollbacks(spoilt, "default")
    with run_server(tmp_path, models_dir=str(models), **SPOILT) as again:
        assert versions(classify(again, 40)) == {"1": 40}
        assert versions(classify(again, 40, "?model=tried")) == {"1": 40}
        loaded = {one["version"] for one in again.events("model_loaded")}
        assert loaded == {"1"}
    route = {"targets": [{"model": "tiny", "version": "failing", "weight": 1}], "shadow": None}
    body = json.dumps(route).encode()
    headers = {"Content-Type": "application/json"}
    answer = spoilt.request("PUT", "/routes/default?wait_s=60", body, headers)
    assert (answer.status, answer.json["route"]["rolled_back"]) == (202, [])
    (answer,) = classify(spoilt, 1)
    assert (answer.status, answer.code) == (500, "internal_error")


def rollbacks(server: LiveServer, alias: str) -> list[dict[str, Any]]:
    """List what the log says of canaries that were taken off a route."""
    return [one for one in server.events("canary_rolled_back") if one["alias"] == alias]


def test_a_route_to_what_is_not_there_stops_the_start(models: Path, tmp_path: Path) -> None:
    """The message names the setting, what is not there and what is."""
    with (
        pytest.raises(AssertionError, match=r"TOPFIVE_ROUTES: There is no version '9' of tiny"),
        run_server(
            tmp_path, model="tiny@1", models_dir=str(models), routes="default=tiny@1:90,tiny@9:10"
        ),
    ):
        pass


def test_routed_models_load_no_other(server: LiveServer) -> None:
    """Each worker loads what routes name, once."""
    loaded = Counter(
        json.dumps([one["model"], one["version"]]) for one in server.events("model_loaded")
    )
    assert loaded == {'["tiny", "1"]': 2, '["tiny", "2"]': 2, '["tiny", "3"]': 2}
