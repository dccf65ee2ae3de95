"""Models are swapped while they serve: no request is lost, and what is refused changes nothing."""

import json
import os
import pickle
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.live_server import Answer, LiveServer, form, run_server
from tests.pictures import jpeg
from tests.redis_server import free_port, run_redis
from tests.unit.bundle_copies import copy_bundle, replace_file
from topfive.bundles.manifest import GOLDEN_LOGITS_FILE, GRAPH_FILE, LABELS_FILE, WEIGHTS_FILE
from topfive.bundles.store import hash_file

_SETTLED_WITHIN_S = 60


def _change_a_byte(folder: Path) -> None:
    with (folder / "model.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"\x7f")


def _lose_the_graph(folder: Path) -> None:
    (folder / GRAPH_FILE).unlink()


def _lose_a_label(folder: Path) -> None:
    labels = (folder / LABELS_FILE).read_bytes().splitlines(keepends=True)
    replace_file(folder, LABELS_FILE, b"".join(labels[1:]))


def _pickle_the_weights(folder: Path) -> None:
    replace_file(folder, WEIGHTS_FILE, pickle.dumps(_Trap(folder.parent / "it-ran")))


def _make_for_a_newer_openvino(folder: Path) -> None:
    graph = (folder / GRAPH_FILE).read_text("utf-8")
    graph, count = re.subn(r'(<net [^>]*version=)"\d+"', r'\1"99"', graph)
    assert count == 1
    replace_file(folder, GRAPH_FILE, graph.encode())


def _disagree_with_the_reference(folder: Path) -> None:
    logits = load_file(folder / GOLDEN_LOGITS_FILE)
    changed = {name: np.roll(one, 1, axis=1) for name, one in logits.items()}
    save_file(changed, folder / "changed")
    replace_file(folder, GOLDEN_LOGITS_FILE, (folder / "changed").read_bytes())
    (folder / "changed").unlink()


class _Trap:
    """A pickle that leaves a file behind where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


_DAMAGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "wrong-hash": (_change_a_byte, "the sha256 of model.bin is not the one in its bundle.json"),
    "missing-file": (_lose_the_graph, "its bundle lacks model.xml"),
    "labels": (_lose_a_label, "its labels do not fit its classes"),
    "pickle": (_pickle_the_weights, "weights.safetensors is not in the safetensors format"),
    "newer-ir": (_make_for_a_newer_openvino, "made for a newer version"),
    "golden": (_disagree_with_the_reference, "logits"),
}


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with three good versions of flowers, and one for each kind of damage."""
    root = tmp_path_factory.mktemp("swaps") / "models"
    for version in ("1", "2", "3"):
        copy_bundle(tiny_folder, root / "flowers" / version, name="flowers", version=version)
    for version, (damage, _) in _DAMAGED.items():
        folder = copy_bundle(
            tiny_folder, root / "flowers" / version, name="flowers", version=version
        )
        damage(folder)
    return root


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    """Two workers that serve flowers 1."""
    with run_server(models.parent, model="flowers@1", workers="2") as running:
        _wait_until_settled(running)
        yield running


def _order(server: LiveServer, what: str, version: str, wait_s: float = 60) -> Answer:
    method = "DELETE" if what == "unload" else "POST"
    path = f"/models/flowers/versions/{version}" + ("" if method == "DELETE" else f"/{what}")
    return server.request(method, f"{path}?wait_s={wait_s:g}")


def _activate(server: LiveServer, version: str) -> None:
    answer = _order(server, "activate", version)
    assert (answer.status, answer.json["settled"]) == (202, True), answer.json


def _told(server: LiveServer, version: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/models/flowers/versions/{version}").json
    return found


def _wait_until_settled(server: LiveServer) -> dict[str, Any]:
    end_s = time.monotonic() + _SETTLED_WITHIN_S
    while True:
        found: dict[str, Any] = server.get("/models").json
        if found["settled"]:
            return found
        assert time.monotonic() < end_s, json.dumps(found)
        time.sleep(0.1)


def _versions(server: LiveServer, count: int = 8) -> set[str]:
    """Ask several times, on connections that any worker may take."""
    answers = [server.upload(jpeg()) for _ in range(count)]
    assert {one.status for one in answers} == {200}
    return {one.json["model"]["version"] for one in answers}


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """Keep a worker from doing anything, so that no order is carried out by all."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_swaps_under_ten_clients_lose_no_request(server: LiveServer) -> None:
    """Every answer names the version that made it, and once all agree none names another."""
    is_over = Event()
    body, content_type = form(jpeg())

    def keep_asking(_: int) -> list[tuple[int, str]]:
        found = []
        connection = server.connect()
        while not is_over.is_set():
            connection.request("POST", "/predict", body, {"Content-Type": content_type})
            response = connection.getresponse()
            answer = response.read()
            found.append((response.status, json.loads(answer).get("model", {}).get("version")))
            if response.will_close:
                connection.close()
        connection.close()
        return found

    with ThreadPoolExecutor(10) as clients:
        asked = [clients.submit(keep_asking, number) for number in range(10)]
        try:
            for version in ("2", "1", "3", "1"):
                _activate(server, version)
                assert _versions(server) == {version}
        finally:
            is_over.set()
    answers = [answer for one in asked for answer in one.result()]
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} <= {"1", "2", "3"}
    assert len(answers) > 100


def test_the_former_version_is_unloaded(server: LiveServer) -> None:
    """Only the active one takes memory, in every worker."""
    _activate(server, "2")
    assert (_told(server, "1")["state"], _told(server, "1")["memory_bytes"]) == ("available", None)
    assert (_told(server, "2")["state"], _told(server, "2")["active"]) == ("ready", True)
    _activate(server, "1")


@pytest.mark.parametrize("version", _DAMAGED)
@pytest.mark.parametrize("what", ["activate", "load"])
def test_what_is_damaged_is_refused_and_the_old_version_serves(
    server: LiveServer, models: Path, version: str, what: str
) -> None:
    """The refusal says what is wrong, without a path, and nothing stays half done."""
    answer = _order(server, what, version)
    assert (answer.status, answer.code) == (422, "model_refused")
    assert _DAMAGED[version][1] in answer.json["detail"]
    assert str(models) not in answer.json["detail"]
    assert _versions(server) == {"1"}
    settled = _wait_until_settled(server)
    ready = {one["version"] for one in settled["models"] if one["state"] == "ready"}
    assert ready == {"1"}
    assert not (models / "flowers" / "it-ran").exists()


def test_what_is_not_there_is_not_found(server: LiveServer) -> None:
    """The nearest versions are told, and no order is begun."""
    before = server.get("/models").json["generation"]
    answer = _order(server, "activate", "22")
    assert (answer.status, answer.code) == (404, "model_not_found")
    assert "`2`" in answer.json["detail"]
    assert server.get("/models").json["generation"] == before


@pytest.mark.parametrize("version", ["..", "%2e%2e%2f%2e%2e", "a%00b", "x" * 200])
def test_a_version_that_cannot_be_one_is_refused(server: LiveServer, version: str) -> None:
    """No text of a caller's is ever made into a path."""
    assert _order(server, "activate", version).status in (400, 404)
    assert _versions(server) == {"1"}


def test_two_swaps_at_once_are_refused(server: LiveServer) -> None:
    """The second is told that one is under way, and how; the first goes on."""
    with _stopped(server.worker_pids()[1]):
        first = _order(server, "activate", "2", wait_s=0)
        assert (first.status, first.json["settled"]) == (202, False)
        second = _order(server, "activate", "3", wait_s=0)
        assert (second.status, second.code) == (409, "model_busy")
        assert _versions(server) == {"1"}
        told = _told(server, "2")
        while told["state"] == "loading" and "workers" not in told:
            told = _told(server, "2")
    _wait_until_settled(server)
    assert _versions(server) == {"2"}
    _activate(server, "1")


def test_each_worker_is_told_until_all_agree(server: LiveServer) -> None:
    """A worker that is behind is seen, by its number."""
    with _stopped(server.worker_pids()[1]):
        assert _order(server, "load", "3", wait_s=0).status == 202
        end_s = time.monotonic() + _SETTLED_WITHIN_S
        while "ready" not in str(_told(server, "3").get("workers")):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        told = _told(server, "3")
        assert told["state"] == "loading"
        assert sorted(one["state"] for one in told["workers"]) == ["available", "ready"]
        assert sorted(one["worker"] for one in told["workers"]) == [1, 2]
    _wait_until_settled(server)
    assert _told(server, "3")["state"] == "ready"
    assert "workers" not in _told(server, "3")
    assert _order(server, "unload", "3").json["settled"] is True
    assert _told(server, "3")["state"] == "available"


def test_a_loaded_version_can_be_named_and_unloaded(server: LiveServer) -> None:
    """It stays beside the active one for as long as it is kept."""
    assert _order(server, "load", "2").json["model"]["state"] == "ready"
    assert server.upload(jpeg(), "/predict?model=flowers@2").json["model"]["version"] == "2"
    assert _versions(server) == {"1"}
    assert _order(server, "unload", "2").json["settled"] is True
    refused = server.upload(jpeg(), "/predict?model=flowers@2")
    assert (refused.status, refused.code) == (503, "model_unavailable")


def test_what_is_active_cannot_be_unloaded(server: LiveServer) -> None:
    """The name would mean nothing."""
    answer = _order(server, "unload", "1")
    assert (answer.status, answer.code) == (409, "model_busy")
    assert "Activate another one first." in answer.json["detail"]


def test_an_order_that_changes_nothing_makes_no_generation(server: LiveServer) -> None:
    """It may be given again and again."""
    before = server.get("/models").json["generation"]
    answer = _order(server, "activate", "1")
    assert (answer.status, answer.json["settled"]) == (202, True)
    assert answer.json["generation"] == before


def test_a_model_that_was_never_loaded_can_be(server: LiveServer) -> None:
    """The first version of a name that is loaded is what the name means, in every worker."""
    answer = server.request("POST", "/models/digits/versions/1/load?wait_s=60")
    assert (answer.status, answer.json["model"]["active"]) == (202, True)
    for _ in range(4):
        assert server.upload(jpeg(), "/predict?model=digits").status == 200
    assert server.request("DELETE", "/models/digits/versions/1?wait_s=60").status == 202


def test_a_bundle_that_was_made_meanwhile_can_be_activated(
    server: LiveServer, models: Path, tiny_folder: Path
) -> None:
    """No restart is needed after a pull."""
    copy_bundle(tiny_folder, models / "flowers" / "4", name="flowers", version="4")
    _activate(server, "4")
    assert _versions(server) == {"4"}
    _activate(server, "1")


def test_the_digest_of_a_version_names_it(server: LiveServer) -> None:
    """The order is about the version, under its own name."""
    digest = _told(server, "2")["digest"]
    answer = _order(server, "load", f"sha256:{digest[:16]}")
    assert answer.json["model"]["digest"] == digest
    _order(server, "unload", answer.json["model"]["version"])


def test_a_reload_and_a_restart_keep_what_was_ordered(models: Path, tmp_path: Path) -> None:
    """Other settings begin afresh."""
    given = {"models_dir": str(models), "workers": "2"}
    with run_server(tmp_path, model="flowers@2", **given) as server:
        _wait_until_settled(server)
        _activate(server, "3")
        former = server.worker_pids()
        server.process.send_signal(signal.SIGHUP)
        end_s = time.monotonic() + _SETTLED_WITHIN_S
        while set(former) & set(server.worker_pids()):
            assert time.monotonic() < end_s
            time.sleep(0.1)
        assert _versions(server) == {"3"}
        assert _wait_until_settled(server)["generation"] == 2
    with run_server(tmp_path, model="flowers@2", **given) as server:
        assert _versions(server) == {"3"}
        assert server.get("/health").json["model_version"] == "3"
    with run_server(tmp_path, model="flowers@2", models="flowers@1", **given) as server:
        assert _versions(server) == {"2"}


def test_an_active_version_that_is_gone_leaves_the_service_unavailable(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """No other version steps in unasked; the reason is told, and another one can be activated."""
    root = tmp_path / "models"
    for version in ("1", "2"):
        copy_bundle(tiny_folder, root / "birds" / version, name="birds", version=version)
    with run_server(tmp_path, model="birds@1") as server:
        assert server.request("POST", "/models/birds/versions/2/activate?wait_s=60").status == 202
    shutil.rmtree(root / "birds" / "2")
    with run_server(tmp_path, is_ready=False, model="birds@1") as server:
        health = server.get("/health")
        assert (health.status, health.json["reason"]) == (503, "birds 2 is not here.")
        answer = server.request("POST", "/models/birds/versions/1/activate?wait_s=60")
        assert (answer.status, answer.json["settled"]) == (202, True)
        assert server.get("/health").json["status"] == "healthy"
        assert _versions(server) == {"1"}


def test_two_machines_follow_one_order(models: Path, tmp_path: Path) -> None:
    """Through Redis; while it is away nothing can be ordered, and all goes on serving."""
    port = free_port()
    given = {
        "models_dir": str(models),
        "model": "flowers@1",
        "model_state": f"redis://127.0.0.1:{port}",
    }
    (tmp_path / "redis").mkdir()
    with (
        run_redis(tmp_path / "redis", port) as redis,
        run_server(tmp_path, **given) as one,
        run_server(tmp_path, **given) as other,
    ):
        _activate(one, "2")
        assert (_versions(one), _versions(other)) == ({"2"}, {"2"})
        refused = _order(other, "activate", "golden")
        assert (refused.status, refused.code) == (422, "model_refused")
        redis.terminate()
        redis.wait()
        away = _order(one, "activate", "3")
        assert (away.status, away.code) == (503, "model_unavailable")
        assert away.headers["Retry-After"]
        assert (_versions(one), _versions(other)) == ({"2"}, {"2"})
        assert one.get("/models").json["settled"] is False


def test_the_hash_of_a_bundles_file_is_what_the_tests_changed(models: Path) -> None:
    """All kinds of damage but the wrong hash have right hashes, so that more is looked at."""
    folder = models / "flowers" / "golden"
    hashes = json.loads((folder / "bundle.json").read_text("utf-8"))["files"]
    assert hash_file(folder / GOLDEN_LOGITS_FILE) == hashes[GOLDEN_LOGITS_FILE]
