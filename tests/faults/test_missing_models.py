"""A model that cannot be had: the service serves its fallback or waits, and heals by itself."""

import socket
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from tests.live_server import run_server
from tests.pictures import jpeg
from topfive.bundles.official import official_weights
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


def _serve_files(folder: Path, port: int) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    site = ThreadingHTTPServer(("127.0.0.1", port), handler)
    site.daemon_threads = True
    Thread(target=site.serve_forever, daemon=True).start()
