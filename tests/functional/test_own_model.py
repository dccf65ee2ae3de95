"""A model of one's own is served as what it is, and nothing else in its place."""

from pathlib import Path

import pytest
import torch

from tests.functional.start import refused_start, run_topfive
from tests.live_server import run_server
from tests.pictures import jpeg
from tests.unit.bundle_copies import change_manifest
from topfive.engines.torchvision_models import build_module

# The file is called like the official model: its name is not taken as it is.
NAME = "mobilenet_v2-custom"


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of three birds, as a training with DataParallel leaves it."""
    folder = tmp_path_factory.mktemp("birds")
    torch.manual_seed(0)
    weights = build_module("mobilenet_v2", {}, 3).state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in weights.items()}
    content = {"epoch": 9, "optimizer": {"lr": 0.1}, "model_state_dict": wrapped}
    torch.save(content, folder / "mobilenet_v2.pth")
    (folder / "birds.txt").write_text("robin\nwren\nowl\n")
    return folder


@pytest.fixture(scope="module")
def pulled(birds: Path) -> str:
    """The folder that `topfive pull` has printed for them."""
    done = run_topfive(
        birds, "pull", "mobilenet_v2", "--weights", "mobilenet_v2.pth", "--labels", "birds.txt",
        "--resize", "64", "--crop", "64", "--mean", "0.5,0.5,0.5",
        "--std", "0.25,0.25,0.25", "--interpolation", "bicubic",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for told in (
        f"{NAME}, version sha256-",
        "Classes: 3: robin, wren, owl",
        "shorter side to 64 pixels (bicubic), crop 64 x 64, mean 0.5, 0.5, 0.5, std 0.25",
        f"TOPFIVE_MODEL={NAME} topfive serve",
    ):
        assert told in done.stderr
    return done.stdout.rstrip("\n")


def test_it_is_served_under_its_name_and_recipe(birds: Path, pulled: str) -> None:
    """What was pulled is found by its name, and /info shows the recipe."""
    with run_server(birds, model=NAME, fallback_model="digits") as server:
        model = server.get("/info").json["model"]
        assert (model["name"], model["architecture"]) == (NAME, "mobilenet_v2")
        assert f"models/{NAME}/{model['version']}" == pulled
        assert model["input"] == {
            "resize": 64,
            "crop": 64,
            "interpolation": "bicubic",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
        }
        answer = server.upload(jpeg(), f"/predict?model={NAME}").json
        assert {one["class_name"] for one in answer["predictions"]} == {"robin", "wren", "owl"}
        assert "degraded" not in answer
        assert server.upload(jpeg(), "/predict?model=mobilenet_v2").code == "model_not_found"


def test_it_does_not_answer_as_the_official_model(
    birds: Path, pulled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain start in the same directory wants the official weights, and says what is missing."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    old = birds / "models" / "mobilenet_v2" / "old"
    old.parent.mkdir()
    (birds / pulled).rename(old)
    change_manifest(old, lambda manifest: manifest.update(name="mobilenet_v2", version="old"))
    try:
        with run_server(birds, is_ready=False) as server:
            assert server.get("/health").json["status"] == "unavailable"
            assert server.upload(jpeg()).code == "model_unavailable"
            (told,) = server.events("bundle_not_served")
            assert told["folder"] == "models/mobilenet_v2/old"
        message = refused_start(birds, model=str(old))
        assert "calls itself mobilenet_v2, but is not made of the official weights" in message
    finally:
        version = Path(pulled).name
        change_manifest(old, lambda manifest: manifest.update(name=NAME, version=version))
        old.rename(birds / pulled)


def test_corrected_labels_are_served(birds: Path, pulled: str) -> None:
    """With the same weights and corrected names a new bundle is made, and it is what serves."""
    (birds / "corrected.txt").write_text("robin\nbarn owl\nbarn owl\n")
    given = {
        "weights": "mobilenet_v2.pth",
        "input_resize": "64",
        "input_crop": "64",
        "input_mean": "0.5,0.5,0.5",
        "input_std": "0.25,0.25,0.25",
        "input_interpolation": "bicubic",
    }
    with run_server(birds, labels="corrected.txt", **given) as server:
        answer = server.upload(jpeg()).json
        assert answer["model"]["version"] != Path(pulled).name
        assert {one["class_name"] for one in answer["predictions"]} == {"robin", "barn owl"}
        (made,) = server.events("bundle_made")
        assert made["first_classes"] == "robin, barn owl, barn owl"
        assert server.events("classes_repeated")[0]["names"] == "barn owl"
    with run_server(birds, labels="birds.txt", **given) as server:
        assert server.get("/health").json["model_version"] == Path(pulled).name
        assert not server.events("model_pulling")


def test_pull_says_how_what_it_names_is_served(birds: Path, pulled: str) -> None:
    """Where a newer version has the name, an older one that is pulled again is named by folder."""
    recipe = (
        "--resize", "64", "--crop", "64", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25",
        "--interpolation", "bicubic",
    )  # fmt: skip
    given = ("pull", "mobilenet_v2", "--weights", "mobilenet_v2.pth", *recipe)
    (birds / "newer.txt").write_text("robin\nwren\nlittle owl\n")
    newer = run_topfive(birds, *given, "--labels", "newer.txt")
    assert f"TOPFIVE_MODEL={NAME} topfive serve" in newer.stderr
    again = run_topfive(birds, *given, "--labels", "birds.txt")
    assert again.stdout.rstrip("\n") == pulled
    assert f"TOPFIVE_MODEL={pulled} topfive serve" in again.stderr


def test_a_bundle_of_another_architecture_does_not_step_in(birds: Path, pulled: str) -> None:
    """With the same weights, labels, recipe and name, a ResNet-50 is still not a MobileNetV2."""
    recipe = {"resize": "64", "crop": "64", "mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25"}
    given = {f"input_{name}": value for name, value in recipe.items()}
    message = refused_start(
        birds, model="resnet50", weights="mobilenet_v2.pth", labels="birds.txt", model_name=NAME,
        input_interpolation="bicubic", **given,
    )  # fmt: skip
    assert "These look like MobileNetV2 weights, and are not of resnet50" in message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--name", "mobilenet_v2"), "is the name of an official model"),
        (("--name", "My Birds"), "small letters"),
        (("--std", "0,0,0"), "a standard deviation is above 0"),
        (("--mean", "123.7,116.3,103.5"), "divide what is meant for values of 0 to 255"),
        (("--crop", "300"), "larger than what pictures are resized to"),
        (("--labels", "gone.txt"), "cannot be read"),
    ],
)
def test_pull_refuses_what_does_not_go_together(
    birds: Path, arguments: tuple[str, str], told: str
) -> None:
    """Exit code 2, and a message that says what would be right."""
    done = run_topfive(
        birds, "pull", "mobilenet_v2", "--weights", "mobilenet_v2.pth", "--labels", "birds.txt",
        *arguments,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
