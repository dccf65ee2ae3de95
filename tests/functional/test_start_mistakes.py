"""What waiting cannot heal stops the start, and is told in one message."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.functional.start import refused_start, run_topfive
from topfive.engines.torchvision_models import build_module


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights and labels as people have them."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    torch.save(build_module("mobilenet_v2", {}, 3).state_dict(), folder / "birds.pth")
    torch.save({"a": print}, folder / "code.pth")
    (folder / "three.txt").write_text("robin\nwren\nowl\n")
    return folder


def test_a_taken_port_is_told_at_once(tmp_path: Path, taken_port: int) -> None:
    """One line with a port that is free, before anything is fetched or written."""
    message = refused_start(tmp_path, port=str(taken_port), weights="http://127.0.0.1:9/a.pth")
    line, after = message.split("\n", 1)
    assert after == ""
    assert line.startswith(f"Error: Port {taken_port} is in use. TOPFIVE_PORT=")
    assert line.endswith(" make run")
    assert not list(tmp_path.iterdir())


def test_the_metrics_port_is_looked_at_too(tmp_path: Path, taken_port: int) -> None:
    """A second port that is taken stops the start as the first does."""
    message = refused_start(tmp_path, metrics_port=str(taken_port))
    assert message.startswith(f"Error: Port {taken_port} is in use. TOPFIVE_METRICS_PORT=")


def test_a_key_to_send_is_not_taken_for_keys_to_accept(tmp_path: Path) -> None:
    """One letter too few does not leave a service open to everyone."""
    message = refused_start(tmp_path, api_key="a" * 64)
    assert message.startswith("Error: TOPFIVE_API_KEY is the key that `topfive models` sends")
    assert "Set TOPFIVE_API_KEYS" in message
    assert "aaaa" not in message


def test_everything_wrong_is_told_at_once(tmp_path: Path, taken_port: int) -> None:
    """Unknown settings, the port, the model, the precision and the fallback: one message."""
    message = refused_start(
        tmp_path,
        port=str(taken_port),
        model="resnet-18",
        precision="int8",
        fallback_model="digit",
        modle="resnet50",
    )
    assert message.startswith("Error: topfive cannot start:\n")
    assert "TOPFIVE_MODLE is not a setting" in message
    assert f"Port {taken_port} is in use" in message
    assert "There is no model 'resnet-18'. Did you mean resnet18 or" in message
    assert "Known: digits; torchvision's classifiers, such as mobilenet_v2" in message
    assert "TOPFIVE_PRECISION=int8" in message
    assert "auto, f32, bf16" in message
    assert "TOPFIVE_FALLBACK_MODEL=digit:" in message
    assert len(message.splitlines()) == 6


def test_int8_without_such_a_graph_is_told_at_once(tmp_path: Path) -> None:
    """What lacks is named, and what to do about it, before there is a worker."""
    assert refused_start(tmp_path, model="digits", precision="int8") == (
        "Error: TOPFIVE_PRECISION=int8 cannot be served: the bundle has no int8 graph. Make a "
        "version that has one with `topfive quantize`, or set it to one of: auto, f32, bf16.\n"
    )


def test_a_file_of_keys_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """It stops the start before there are workers that could fail of it."""
    message = refused_start(tmp_path, model="digits", api_keys_file="gone.txt")
    assert message == (
        "Error: TOPFIVE_API_KEYS_FILE: gone.txt cannot be read: No such file or directory.\n"
    )


def test_files_that_are_missing_are_told_at_once(tmp_path: Path) -> None:
    """Weights, labels and a recipe that does not go together are seen without torch."""
    message = refused_start(
        tmp_path,
        weights="gone.pth",
        labels="gone.txt",
        input_crop="300",
        fallback_model="digits",
    )
    assert "There is no weights file gone.pth. Check TOPFIVE_WEIGHTS (--weights)." in message
    assert "The labels file gone.txt cannot be read" in message
    assert "crop of 300" in message
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("weights", "labels", "told"),
    [
        ("code.pth", "three.txt", "code.pth is not plain weights: it holds code"),
        ("birds.pth", "", "The weights have 3 classes, not ImageNet's 1000. Set TOPFIVE_LABELS"),
    ],
)
def test_weights_that_cannot_be_served_stop_the_start(
    files: Path, tmp_path: Path, weights: str, labels: str, told: str
) -> None:
    """No fallback answers in their place, and nothing is tried again."""
    given = {"labels": str(files / labels)} if labels else {}
    message = refused_start(
        tmp_path, weights=str(files / weights), fallback_model="digits", **given
    )
    assert told in message
    assert len(message.splitlines()) == 1
    assert len(message) <= len("Error: ") + 300 + 1


def test_a_damaged_bundle_stops_the_start(tmp_path: Path, tiny_folder: Path) -> None:
    """One changed byte in the graph's weights is found before any worker is started."""
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_folder, damaged)
    content = bytearray((damaged / "model.bin").read_bytes())
    content[1000] ^= 1
    (damaged / "model.bin").write_bytes(content)
    message = refused_start(tmp_path, model=str(damaged), fallback_model="digits")
    assert "sha256 differs" in message


def test_a_directory_that_is_no_bundle_stops_the_start(tmp_path: Path) -> None:
    """A wrong path is told, and not waited for."""
    message = refused_start(tmp_path, model=str(tmp_path / "nothing"), fallback_model="digits")
    assert "is not a bundle" in message


def test_wrong_values_of_the_recipe_are_told_in_plain_words(tmp_path: Path) -> None:
    """Each of them says what would be right."""
    message = refused_start(
        tmp_path, input_mean="0.5,0.5", input_std="0,1,1", input_interpolation="cubic"
    )
    assert "TOPFIVE_INPUT_MEAN='0.5,0.5': three numbers are needed" in message
    assert "TOPFIVE_INPUT_STD='0,1,1': a standard deviation is above 0" in message
    assert "TOPFIVE_INPUT_INTERPOLATION='cubic'" in message


def test_classify_stops_at_the_same_mistakes(tmp_path: Path) -> None:
    """Without a server too, a wrong model is told with those there are."""
    done = run_topfive(tmp_path, "classify", "a.jpg", model="yolo", fallback_model="digits")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no model 'yolo'. Known: digits; torchvision's classifiers" in done.stderr


def test_plain_gunicorn_stops_at_the_same_mistakes(tmp_path: Path) -> None:
    """Its configuration looks at the model before any worker is started."""
    import subprocess
    import sys

    from tests.live_server import server_environment

    conf = Path(__file__).parents[2] / "docker" / "gunicorn.conf.py"
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", str(conf), "topfive.api:create_app()"],
        cwd=tmp_path,
        env=server_environment({"TOPFIVE_MODEL": "yolo"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: TOPFIVE_MODEL=yolo: There is no model 'yolo'.")
    assert "Traceback" not in done.stderr
