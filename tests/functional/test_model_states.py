"""A service without its model says so, serves its fallback, and heals by itself."""

import json
import shutil
import socket
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from tests.live_server import run_server, server_environment
from tests.pictures import jpeg
from topfive.bundles.store import demo_root
from topfive.engines.torchvision_models import build_module


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_model_the_service_is_unavailable(tmp_path: Path, free_port: int) -> None:
    """With no weights and no fallback it starts, and says truthfully that it cannot classify."""
    weights = f"http://127.0.0.1:{free_port}/weights.pth"
    with run_server(tmp_path, is_ready=False, weights=weights) as server:
        health = server.get("/health")
        assert health.status == 503
        assert health.json["status"] == "unavailable"
        assert health.json["model_loaded"] is False
        assert "mobilenet_v2" in health.json["reason"]
        refused = server.upload(jpeg())
        assert (refused.status, refused.code) == (503, "model_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.get("/readyz").status == 503
        assert server.get("/livez").status == 200
        assert server.get("/info").json["model"] is None


def test_fallback_serves_until_the_weights_can_be_had(tmp_path: Path, free_port: int) -> None:
    """With a fallback it is degraded but works; when the network comes back it heals."""
    torch.manual_seed(0)
    module = build_module("mobilenet_v2", {}, 1000)
    site = tmp_path / "site"
    site.mkdir()
    torch.save(module.state_dict(), site / "weights.pth")
    weights = f"http://127.0.0.1:{free_port}/weights.pth"
    with run_server(
        tmp_path, weights=weights, fallback_model="digits", workers="1", slots="1"
    ) as server:
        health = server.wait_for_health("degraded")
        assert health["model"] == "digits"
        assert "mobilenet_v2" in health["reason"]
        assert server.get("/info").json["reason"] == health["reason"]
        assert server.events("model_degraded")
        assert server.upload(jpeg()).json["model"]["name"] == "digits"
        refused = server.upload(jpeg(), "/predict?model=mobilenet_v2")
        assert (refused.status, refused.code) == (503, "model_unavailable")
        _serve_files(site, free_port)
        healed = server.wait_for_health("healthy", within_s=120)
        assert healed["model"] == "mobilenet_v2"
        assert server.upload(jpeg()).json["model"]["name"] == "mobilenet_v2"


def test_damaged_bundle_is_not_served(tmp_path: Path, tiny_folder: Path) -> None:
    """One changed byte in the graph's weights is found, and no path is told to callers."""
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_folder, damaged)
    content = bytearray((damaged / "model.bin").read_bytes())
    content[1000] ^= 1
    (damaged / "model.bin").write_bytes(content)
    with run_server(tmp_path, is_ready=False, model=str(damaged)) as server:
        health = server.get("/health")
        assert (health.status, health.json["status"]) == (503, "unavailable")
        assert "damaged" in health.json["reason"]
        assert str(tmp_path) not in health.body.decode()
        assert "sha256" in server.events("model_refused")[0]["reason"]


def test_an_engine_that_was_refused_is_told(tmp_path: Path, tiny_folder: Path) -> None:
    """What disagreed with the reference is told in the log, in /info and by doctor, with why."""
    module = "tests.functional.refusing_server"
    with run_server(tmp_path, module=module, model=str(tiny_folder)) as server:
        model = server.get("/info").json["model"]
        (logged,) = server.events("engine_refused")
        (loaded,) = server.events("model_loaded")
    (refused,) = model["refused_engines"]
    assert (model["engine"], model["precision"]) == ("openvino", "f32")
    assert (refused["engine"], refused["precision"]) == ("openvino", "bf16")
    assert "times the reference's own error in bf16" in refused["reason"]
    assert logged["severity"] == "WARNING"
    assert (logged["model"], logged["engine"], logged["precision"]) == ("tiny", "openvino", "bf16")
    assert refused["reason"] in logged["reason"]
    assert loaded["precision"] == "f32"
    doctor = subprocess.run(
        [sys.executable, "-m", module, "doctor", "--json"],
        env=server_environment({"TOPFIVE_MODEL": str(tiny_folder)}),
        capture_output=True,
        text=True,
        check=True,
    )
    why = json.loads(doctor.stdout)["model"]["why"]
    assert (
        why
        == f"openvino f32 agrees with the reference; refused: openvino bf16: {refused['reason']}"
    )


def test_torch_computes_in_bf16_where_asked(tmp_path: Path, tiny_folder: Path) -> None:
    """bf16 by torch's autocast passes the check on any CPU, and /info says what it is."""
    with run_server(tmp_path, model=str(tiny_folder), engine="torch", precision="bf16") as server:
        model = server.get("/info").json["model"]
        assert (model["engine"], model["precision"]) == ("torch", "bf16")
        assert model["refused_engines"] == []
        assert server.upload(jpeg()).status == 200


def test_digits_reads_its_own_samples(tmp_path: Path) -> None:
    """The embedded model names the digits on the pictures that are shipped with it."""
    names = {"zero": 0, "three": 3, "five": 5, "eight": 8}
    (folder,) = (demo_root() / "digits").iterdir()
    with run_server(tmp_path, model="digits") as server:
        assert server.get("/info").json["model"]["metrics"]["held_out_accuracy"] >= 0.97
        for name, digit in names.items():
            answer = server.upload((folder / f"sample-{name}.png").read_bytes()).json
            best = answer["predictions"][0]
            assert (best["class_id"], best["class_name"]) == (digit, name)
            assert best["confidence"] > 0.8


def _serve_files(folder: Path, port: int) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    site = ThreadingHTTPServer(("127.0.0.1", port), handler)
    site.daemon_threads = True
    Thread(target=site.serve_forever, daemon=True).start()
