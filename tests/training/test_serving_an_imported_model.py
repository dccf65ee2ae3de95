"""An imported model is served like any other, but by OpenVINO alone, and without heatmaps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.functional.start import refused_start, run_topfive
from tests.live_server import LiveServer, run_server
from tests.pictures import encode
from tests.training.model_files import (
    LABELS,
    MEAN,
    SIDE,
    STD,
    true_logits,
    write_labels,
    write_onnx,
)
from topfive.bundles.store import open_bundle

OPTIONS = (
    "--name", "birds", "--labels", "labels.txt", "--resize", str(SIDE), "--crop", str(SIDE),
    "--mean", "0.4,0.5,0.3", "--std", "0.2,0.25,0.3",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an ONNX file was imported by the installed command."""
    folder = tmp_path_factory.mktemp("birds")
    write_labels(folder / "labels.txt")
    write_onnx(folder / "birds.onnx", ending="softmax")
    done = run_topfive(folder, "import", "birds.onnx", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert (folder / done.stdout.rstrip("\n") / "bundle.json").is_file()
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LiveServer]:
    """The service, with the imported model by its name, in f32 on every processor."""
    with run_server(folder, model="birds", precision="f32") as running:
        yield running


def test_it_answers_as_its_file_does(server: LiveServer) -> None:
    """Class names and confidences are those of the ONNX file, for a picture of its size."""
    picture = np.random.default_rng(8).integers(0, 256, (SIDE // 8,) * 2 + (3,), dtype=np.uint8)
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    values = (picture / 255 - np.array(MEAN)) / np.array(STD)
    logits = true_logits(np.float32(values.transpose(2, 0, 1)[np.newaxis]))[0]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    answer = server.upload(encode(Image.fromarray(picture), "PNG")).json
    found = {one["class_name"]: one["confidence"] for one in answer["predictions"]}
    assert answer["predictions"][0]["class_id"] == int(expected.argmax())
    for name, confidence in zip(LABELS, expected, strict=True):
        assert found[name] == pytest.approx(float(confidence), abs=1e-3)


def test_info_tells_what_it_is(server: LiveServer, folder: Path) -> None:
    """/info has the format as the architecture, and the digest of the graph's weights."""
    model = server.get("/info").json["model"]
    (bundle,) = (open_bundle(one.parent) for one in folder.glob("models/birds/*/bundle.json"))
    assert model["architecture"] == "onnx"
    assert model["sha256"] == bundle.manifest.files["model.bin"]
    assert model["source"].startswith("local:sha256-")
    assert model["engine"] == "openvino"


def test_a_heatmap_is_refused_with_the_reason(server: LiveServer) -> None:
    """Who asks where a class was seen is told that an imported graph does not say."""
    answer = server.upload(encode(Image.new("RGB", (40, 40)), "PNG"), "/predict?explain=heatmap")
    assert answer.code == "heatmap_unavailable"
    assert "was imported as a graph" in answer.json["detail"]


def test_torch_does_not_start_with_it(folder: Path) -> None:
    """The start says that torch cannot run it, and what to set."""
    told = refused_start(folder, model="birds", engine="torch")
    assert "imported as a graph" in told
    assert "Set TOPFIVE_ENGINE=openvino, or auto" in told


@pytest.mark.parametrize("most_bytes", [2000, 6000])
def test_a_disk_that_fills_up_leaves_nothing(folder: Path, tmp_path: Path, most_bytes: int) -> None:
    """Where a file cannot be written whole, the error says so and there is no bundle."""
    command = ("import", str(folder / "birds.onnx"), *OPTIONS, "--models-dir", str(tmp_path / "m"))
    script = (
        "import resource, sys; from topfive.__main__ import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes})); "
        "sys.argv[0] = 'topfive'; main()"
    )
    # Coverage's own file would be cut off too.
    environment = {name: text for name, text in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The bundle cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [one for one in (tmp_path / "m").rglob("*") if one.is_file()]
