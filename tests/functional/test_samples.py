"""The sample pictures that are drawn for ImageNet's classes, and the model that knows them."""

from pathlib import Path

import pytest

from tests.live_server import run_server

KNOWN = ["balloon", "soccer ball", "jack-o'-lantern"]


@pytest.mark.weights
def test_every_drawn_sample_is_recognised(
    real_weights: Path, real_models: Path, tmp_path: Path
) -> None:
    """MobileNetV2 names each of the three, and gives it more than every other class together."""
    with run_server(tmp_path, weights=str(real_weights), models_dir=str(real_models)) as server:
        for number, name in enumerate(KNOWN, 1):
            sample = server.get(f"/sample/{number}")
            assert (sample.status, sample.headers["Content-Type"]) == (200, "image/jpeg")
            best = server.upload(sample.body).json["predictions"][0]
            assert best["class_name"] == name
            assert best["confidence"] > 0.5
        assert server.get("/sample").body == server.get("/sample/1").body
        assert server.get("/sample/4").code == "not_found"
