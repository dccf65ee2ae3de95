"""A service without its model says so, serves its fallback, and heals by itself."""

import json
import socket
import subprocess
import sys
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from tests.live_server import run_server, server_environment
from tests.pictures import jpeg
from topfive.bundles.official import official_weights
from topfive.bundles.store import demo_root
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def official_bundle(tmp_path: Path) -> Path:
    """A bundle that passes for the official MobileNetV2, of seeded weights that learnt nothing."""
    official = official_weights("mobilenet_v2")
    names = import_torchvision().models.MobileNet_V2_Weights.DEFAULT.meta["categories"]
    plan = BundlePlan(
        name="mobilenet_v2",
        version=official.version,
        architecture="mobilenet_v2",
        input=official.input,
        labels=tuple(names),
        source=official.url,
        golden=draw_golden_picture(official.input.crop),
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        torch.manual_seed(0)
        return write_bundle(
            plan, build_module("mobilenet_v2", {}, 1000).state_dict(), tmp_path / "made"
        )


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


def test_fallback_serves_until_the_official_model_is_there(
    tmp_path: Path, official_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fallback it is degraded, says so in every answer, and heals by itself."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with run_server(tmp_path, fallback_model="digits", slots="1") as server:
        health = server.wait_for_health("degraded")
        assert health["model"] == "digits"
        assert health["reason"].startswith("The weights of mobilenet_v2 could not be downloaded.")
        assert server.get("/info").json["reason"] == health["reason"]
        assert "urlopen error" in server.events("model_not_pulled")[0]["reason"]
        answer = server.upload(jpeg())
        assert answer.json["model"]["name"] == "digits"
        assert answer.json["degraded"] is True
        assert answer.headers["X-Topfive-Degraded"] == "true"
        batch = server.upload_batch(jpeg())
        assert batch.json["degraded"] is True
        assert batch.headers["X-Topfive-Degraded"] == "true"
        refused = server.upload(jpeg(), "/predict?model=mobilenet_v2")
        assert (refused.status, refused.code) == (503, "model_unavailable")
        (tmp_path / "models" / "mobilenet_v2").mkdir(parents=True)
        official_bundle.rename(tmp_path / "models" / "mobilenet_v2" / "imagenet1k-v2")
        healed = server.wait_for_health("healthy", within_s=120)
        assert healed["model"] == "mobilenet_v2"
        answer = server.upload(jpeg())
        assert answer.json["model"]["name"] == "mobilenet_v2"
        assert "degraded" not in answer.json
        assert answer.headers["X-Topfive-Degraded"] is None


def test_weights_of_ones_own_are_waited_for_without_a_fallback(
    tmp_path: Path, free_port: int
) -> None:
    """While an address of one's own is unreachable no other model answers; then it heals."""
    site = tmp_path / "site"
    site.mkdir()
    torch.manual_seed(0)
    torch.save(build_module("mobilenet_v2", {}, 3).state_dict(), site / "best.pth")
    (tmp_path / "birds.txt").write_text("robin\nwren\nowl\n")
    with run_server(
        tmp_path,
        is_ready=False,
        weights=f"http://127.0.0.1:{free_port}/best.pth",
        model_name="birds",
        labels="birds.txt",
        fallback_model="digits",
        slots="1",
    ) as server:
        health = server.get("/health").json
        assert (health["status"], health["model"]) == ("unavailable", "birds")
        assert health["reason"].startswith("The weights of birds could not be downloaded.")
        assert server.upload(jpeg()).code == "model_unavailable"
        _serve_files(site, free_port)
        assert server.wait_for_health("healthy", within_s=120)["model"] == "birds"
        names = {one["class_name"] for one in server.upload(jpeg()).json["predictions"]}
        assert names == {"robin", "wren", "owl"}


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
