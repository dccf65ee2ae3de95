"""Predictions of every front door are kept, with what they were asked, and nothing of a picture."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from tests.history.conftest import DATABASES
from tests.history.serving import kept_records, migrate, wait_until
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg, png
from tests.postgresql_server import PostgresqlServer
from topfive.history.records import PredictionRecord

KEY, VERTEX = "key-1", "/v1/vertex:predict"
SIDE = 64  # What `digits` takes.
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
JPEG_SHA256, PNG_SHA256 = (hashlib.sha256(one).digest() for one in (jpeg(), png()))
B64 = base64.b64encode(jpeg()).decode()
ROUTES = "live=digits@1:100"


class Keeping:
    """A server, and the history that it keeps."""

    def __init__(self, server: LiveServer, url: str) -> None:
        self.server = server
        self._url = url

    def of(self, request_id: str, count: int = 1) -> list[PredictionRecord]:
        """Wait until so many predictions of a request are kept; returns all of them."""
        wait_until(lambda: len(self._find(request_id)) >= count, f"{count} of {request_id}")
        return self._find(request_id)

    def post(self, path: str, body: Any) -> str:
        """POST JSON, which must be answered; returns the request's id."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": KEY}
        answer = self.server.request("POST", path, data, headers)
        assert answer.status == 200, answer.body
        return str(answer.headers["X-Request-ID"])

    def _find(self, request_id: str) -> list[PredictionRecord]:
        found = [one for one in kept_records(self._url) if one.request_id == request_id]
        # Pictures of a batch are classified side by side, and their ids are in that order.
        return sorted(found, key=lambda one: (one.position, one.id))


@pytest.fixture(scope="module", params=DATABASES)
def keeping(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keeping]:
    """A server with a key, a route, a cache and an address of Vertex AI."""
    folder = tmp_path_factory.mktemp("doors")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/history.db"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.make_database()
    with run_server(
        folder,
        model="digits",
        history_url=migrate(url),
        api_keys=DIGEST,
        cache_bytes=str(16 * 1024**2),
        vertex_predict_route=VERTEX,
        routes=ROUTES,
    ) as running:
        yield Keeping(running, url)


def test_one_picture_is_kept_as_it_was_answered(keeping: Keeping) -> None:
    """Under the id that the answer has; all that it says is there, and its five classes."""
    headers = {"X-API-Key": KEY, "X-Request-ID": "one-picture", "Cache-Control": "no-store"}
    answer = keeping.server.upload(jpeg(), "/predict?top_k=2", headers=headers)
    (kept,) = keeping.of("one-picture")
    assert kept.id == UUID(answer.headers["X-Prediction-ID"])
    assert (kept.route, kept.position, kept.alias) == ("/predict", 0, "")
    assert (kept.picture_sha256, kept.key_id) == (JPEG_SHA256, DIGEST[:16])
    assert answer.json["model"] == {"name": kept.model.name, "version": kept.model.version}
    assert len(answer.json["predictions"]) == 2
    assert len(kept.classes) == 5
    for shown, one in zip(answer.json["predictions"], kept.classes, strict=False):
        assert (shown["class_id"], shown["class_name"]) == (one.class_id, one.class_name)
        assert shown["confidence"] == pytest.approx(one.confidence, abs=1e-4)
    assert answer.json["timing_ms"]["total"] == pytest.approx(kept.timings.total_ms, abs=0.01)
    assert (kept.cache.value, kept.is_degraded) == ("bypassed", False)


def test_what_the_cache_answered_is_kept_too(keeping: Keeping) -> None:
    """Each has an id of its own, and the same classes."""
    headers = {"X-API-Key": KEY, "X-Request-ID": "cached"}
    answers = [keeping.server.upload(png(), headers=headers) for _ in range(2)]
    first, second = keeping.of("cached", 2)
    assert [first.cache.value, second.cache.value] == ["stored", "hit"]
    assert first.classes == second.classes
    assert {str(first.id), str(second.id)} == {one.headers["X-Prediction-ID"] for one in answers}


def test_pictures_of_a_batch_are_kept_by_their_place(keeping: Keeping) -> None:
    """What could not be classified is not there; no single id is told."""
    headers = {"X-API-Key": KEY}
    for accept in ("application/json", "application/x-ndjson"):
        answer = keeping.server.upload_batch(jpeg(), b"none", png(), Accept=accept, **headers)
        kept = keeping.of(answer.headers["X-Request-ID"], 2)
        assert "X-Prediction-ID" not in answer.headers
        assert [one.position for one in kept] == [0, 2]
        assert [one.picture_sha256 for one in kept] == [JPEG_SHA256, PNG_SHA256]
        assert {one.route for one in kept} == {"/predict/batch"}
        assert {one.key_id for one in kept} == {DIGEST[:16]}


def test_what_a_route_chose_says_so(keeping: Keeping) -> None:
    """By the route's alias."""
    headers = {"X-API-Key": KEY, "X-Request-ID": "by-route"}
    assert keeping.server.upload(jpeg(), "/predict?model=live", headers=headers).status == 200
    assert [one.alias for one in keeping.of("by-route")] == ["live"]


@pytest.mark.parametrize("path", ["/invocations", VERTEX])
def test_instances_of_the_platforms_are_kept(keeping: Keeping, path: str) -> None:
    """In their order."""
    kept = keeping.of(keeping.post(path, {"instances": [{"b64": B64}, {"b64": B64}]}), 2)
    assert [one.position for one in kept] == [0, 1]
    assert {one.route for one in kept} == {path}
    assert {one.picture_sha256 for one in kept} == {JPEG_SHA256}


def test_encoded_pictures_of_the_open_protocol_are_kept(keeping: Keeping) -> None:
    """Under the route as it is declared."""
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [B64]}
    (kept,) = keeping.of(keeping.post("/v2/models/digits/infer", {"inputs": [tensor]}))
    assert (kept.route, kept.picture_sha256) == ("/v2/models/{model}/infer", JPEG_SHA256)


def test_prepared_pixels_are_kept_without_a_hash(keeping: Keeping) -> None:
    """No picture was sent."""
    shape = [2, SIDE, SIDE, 3]
    data = np.zeros(shape, np.uint8).ravel().tolist()
    tensor = {"name": "pixels", "shape": shape, "datatype": "UINT8", "data": data}
    path = "/v2/models/digits/versions/1/infer"
    kept = keeping.of(keeping.post(path, {"inputs": [tensor], "parameters": {"top_k": 1}}), 2)
    assert [one.picture_sha256 for one in kept] == [None, None]
    assert [one.position for one in kept] == [0, 1]
    assert [len(one.classes) for one in kept] == [5, 5]


def test_what_fails_is_not_kept(keeping: Keeping) -> None:
    """And has no id."""
    headers = {"X-API-Key": KEY, "X-Request-ID": "failed"}
    answer = keeping.server.upload(b"none", headers=headers)
    assert (answer.status, answer.headers["X-Prediction-ID"]) == (400, None)
    headers["X-Request-ID"] = "after-it"
    keeping.server.upload(jpeg(), headers=headers)
    keeping.of("after-it")
    assert keeping._find("failed") == []


def test_a_worker_that_keeps_a_history_has_its_library(keeping: Keeping) -> None:
    """So that its absence, where none is kept, says something; the parent has none."""
    server = keeping.server
    (worker,) = server.worker_pids()
    assert "sqlalchemy" in Path(f"/proc/{worker}/maps").read_text()
    assert "sqlalchemy" not in Path(f"/proc/{server.process.pid}/maps").read_text()
