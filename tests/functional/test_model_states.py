"""A service without its model, or without the engine of its choice, says so."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live_server import run_server, server_environment
from tests.pictures import jpeg
from topfive.bundles.store import demo_root


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
        assert "weights" in health.json["reason"]
        refused = server.upload(jpeg())
        assert (refused.status, refused.code) == (503, "model_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.get("/readyz").status == 503
        assert server.get("/livez").status == 200
        assert server.get("/info").json["model"] is None


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
        assert server.get("/info").json["model"]["metrics"]["held_out_top1"] >= 0.99
        for name, digit in names.items():
            answer = server.upload((folder / f"sample-{name}.png").read_bytes()).json
            best = answer["predictions"][0]
            assert (best["class_id"], best["class_name"]) == (digit, name)
            assert best["confidence"] > 0.8
