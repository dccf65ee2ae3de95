"""Models of other formats become bundles that answer what their files say, or are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from safetensors.numpy import load_file

from tests.training.model_files import (
    LABELS,
    MEAN,
    SIDE,
    STD,
    true_logits,
    write_labels,
    write_onnx,
    write_openvino,
    write_with_data_beside,
)
from topfive.bundles.manifest import GOLDEN_LOGITS_FILE, GRAPH_WEIGHTS_FILE
from topfive.bundles.store import Bundle, open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.cli import commands
from topfive.engines.contract import EngineOptions
from topfive.errors import OperatorError, SettingsError, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.training.importing import bundle as importing
from topfive.training.importing import conversion
from topfive.training.importing.serving_graph import take_pixels

USUAL = ("--resize", "40", "--mean", "0.4,0.5,0.3", "--std", "0.2,0.25,0.3")
SIZED = (*USUAL, "--crop", str(SIDE))
BYTES = ("--resize", "40", "--crop", str(SIDE), "--range", "0-255")


def run_import(folder: Path, model: Path, *options: str) -> Result:
    """Run `topfive import`, as the command line does; an error is raised."""
    labels = write_labels(folder / "labels.txt")
    return CliRunner().invoke(
        commands,
        ["import", str(model), "--name", "birds", "--labels", str(labels), "--models-dir",
         str(folder / "models"), *options],
        catch_exceptions=False,
    )  # fmt: skip


def take_in(folder: Path, model: Path, *options: str) -> Bundle:
    """Import a model; returns the bundle whose folder was printed."""
    done = run_import(folder, model, *options)
    assert done.exit_code == 0, done.output
    return open_bundle(Path(done.stdout.strip()))


def open_classifier(bundle: Bundle, precision: str = "f32") -> Classifier:
    """Load a bundle as the service does, in a precision."""
    options = EngineOptions(engine="openvino", precision=precision)
    return load_classifier(bundle, options, ImageLimits(), frozenset())


def score(bundle: Bundle, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Have a bundle score pixels (1, side, side, 3)."""
    classifier = open_classifier(bundle)
    try:
        return classifier.engine.infer(pixels)
    finally:
        classifier.close()


def some_pixels() -> NDArray[np.uint8]:
    """Make a picture that is no golden input."""
    coarse = np.random.default_rng(3).integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


def values_of(pixels: NDArray[np.uint8], options: tuple[str, ...]) -> NDArray[np.float32]:
    """Prepare pixels as options say, by arithmetic of its own: (1, 3, side, side)."""
    values = pixels.astype(np.float64)
    if "--mean" in options and "0-255" not in options:
        values = (values / 255 - np.array(MEAN)) / np.array(STD)
    if "0-255" in options:
        values = (values - [120, 110, 100]) / [60, 50, 40]
    if "bgr" in options:
        values = values[..., ::-1]
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


def centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off what is the same for all classes, and changes no answer."""
    return logits - logits.mean()


RANGE = (*BYTES, "--mean", "120,110,100", "--std", "60,50,40")
FORMS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "of any size": ({}, SIZED),
    "of one size": ({"side": SIDE, "batch": 1}, USUAL),
    "of several pictures": ({"side": SIDE, "batch": 4}, USUAL),
    "channels last": ({"layout": "nhwc"}, SIZED),
    "blue first": ({}, (*SIZED, "--channels", "bgr")),
    "blue first, channels last": ({"layout": "nhwc"}, (*SIZED, "--channels", "bgr")),
    "of 0 to 255": ({}, RANGE),
    "in f16": ({"element": "f16"}, SIZED),
    "of bytes": ({"element": "u8", "layout": "nhwc"}, BYTES[:4]),
    "with a softmax": ({"ending": "softmax"}, SIZED),
    "with a softmax of before opset 13": ({"ending": "softmax", "opset": 11}, SIZED),
    "of shares": ({"ending": "shares"}, SIZED),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_onnx_file_answers_as_it_does_itself(form: str, tmp_path: Path) -> None:
    """Whatever it takes and gives, the bundle's logits are those that torch computes."""
    given, options = FORMS[form]
    bundle = take_in(tmp_path, write_onnx(tmp_path / "birds.onnx", **given), *options)
    pixels = some_pixels()
    expected = true_logits(values_of(pixels, options))[0]
    # Weights and values in f16 have three decimal digits.
    most = 0.05 if given.get("element") == "f16" else 2e-4 * float(np.abs(expected).max())
    assert np.abs(centred(score(bundle, pixels)) - centred(expected)).max() < most


@pytest.mark.parametrize("is_half", [False, True])
def test_an_openvino_ir_answers_as_it_does_itself(is_half: bool, tmp_path: Path) -> None:
    """So does OpenVINO's own format, also with weights in f16."""
    path = write_openvino(tmp_path / "birds.xml", tmp_path, is_half=is_half, ending="softmax")
    bundle = take_in(tmp_path, path, *SIZED)
    pixels = some_pixels()
    expected = true_logits(values_of(pixels, SIZED))[0]
    assert np.abs(centred(score(bundle, pixels)) - centred(expected)).max() < 0.05
    assert bundle.manifest.architecture == "openvino"
    assert bundle.manifest.imported
    assert bundle.manifest.imported.reference.startswith("openvino 20")


def test_weights_in_a_file_beside_it_are_read(tmp_path: Path) -> None:
    """An ONNX file may have its weights in a file of its own folder, and both make the version."""
    plain = take_in(tmp_path, write_onnx(tmp_path / "birds.onnx"), *SIZED)
    path = write_with_data_beside(tmp_path / "large.onnx")
    bundle = take_in(tmp_path, path, *SIZED)
    pixels = some_pixels()
    assert np.allclose(score(bundle, pixels), score(plain, pixels), atol=1e-4)
    data = tmp_path / "birds.data"
    data.write_bytes((-np.frombuffer(data.read_bytes(), np.float32)).tobytes())
    other = run_import(tmp_path, path, *SIZED, "--json")
    assert json.loads(other.stdout)["source"] != bundle.manifest.source


def test_what_was_imported_is_told(tmp_path: Path) -> None:
    """A person reads what the bundle holds, what checked it, and how it is served."""
    path = write_onnx(tmp_path / "birds.onnx", ending="softmax")
    done = run_import(tmp_path, path, *SIZED, "--version", "1.2.0", "--channels", "bgr")
    assert done.stdout == f"{tmp_path}/models/birds/1.2.0\n"
    for told in (
        "birds, version 1.2.0 (onnx)",
        "4: heron, wren, small, owl 🦉, kite",
        "shorter side to 40 pixels (bilinear), crop 32 x 32, mean 0.4, 0.5, 0.3",
        "BGR as NCHW",
        "logits, before the softmax that the file ends in",
        "agrees with onnxruntime 1.",
        "Heatmap: none",
        "TOPFIVE_MODEL=birds topfive serve",
    ):
        assert told in done.stderr


def test_a_recipe_file_stands_for_the_options(tmp_path: Path) -> None:
    """A TOML file makes the same bundle, and an option wins over it."""
    model = write_onnx(tmp_path / "birds.onnx")
    recipe = tmp_path / "birds.toml"
    recipe.write_text(
        "resize = 40\ncrop = 48\nmean = [0.4, 0.5, 0.3]\nstd = [0.2, 0.25, 0.3]\n", "utf-8"
    )
    by_file = run_import(
        tmp_path, model, "--recipe", str(recipe), "--crop", str(SIDE), "--json"
    ).stdout
    assert json.loads(by_file) == json.loads(run_import(tmp_path, model, *SIZED, "--json").stdout)


def test_the_same_again_is_left_as_it_is(tmp_path: Path) -> None:
    """A second import makes nothing; something else under the same version is refused."""
    model = write_onnx(tmp_path / "birds.onnx")
    first = take_in(tmp_path, model, *SIZED, "--version", "1.0.0")
    stamp = (first.folder / GRAPH_WEIGHTS_FILE).stat().st_mtime_ns
    again = take_in(tmp_path, model, *SIZED, "--version", "1.0.0")
    assert (again.folder / GRAPH_WEIGHTS_FILE).stat().st_mtime_ns == stamp
    for other in (("--channels", "bgr"), ("--interpolation", "bicubic")):
        with pytest.raises(
            SettingsError, match=r"version 1\.0\.0 of birds already.*choose another"
        ):
            run_import(tmp_path, model, *SIZED, "--version", "1.0.0", *other)


def test_another_process_that_was_faster_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it made of another recipe under the same version is not taken for one's own."""
    model = write_onnx(tmp_path / "birds.onnx")
    other = take_in(tmp_path, model, *SIZED, "--version", "1.0.0", "--name", "other")
    monkeypatch.setattr(
        importing,
        "_require_agreement",
        lambda *_: shutil.copytree(other.folder, tmp_path / "models" / "birds" / "1.0.0"),
    )
    with pytest.raises(SettingsError, match=r"a version 1\.0\.0 of .* already, made of another"):
        run_import(tmp_path, model, *SIZED, "--version", "1.0.0", "--channels", "bgr")
    assert [one.name for one in (tmp_path / "models" / "birds").iterdir()] == ["1.0.0"]


def test_another_order_of_channels_is_another_version(tmp_path: Path) -> None:
    """A version that is named after the content tells a model from one that sees red as blue."""
    model = write_onnx(tmp_path / "birds.onnx")
    one, other = (take_in(tmp_path, model, *SIZED, *more) for more in ((), ("--channels", "bgr")))
    assert one.manifest.version != other.manifest.version


def test_the_weights_of_an_imported_model_are_its_graphs(tmp_path: Path) -> None:
    """A bundle without weights for torch opens, and its weights' digest is that of the graph's."""
    bundle = take_in(tmp_path, write_onnx(tmp_path / "birds.onnx"), *SIZED)
    assert "weights.safetensors" not in bundle.manifest.files
    assert bundle.weights_sha256 == bundle.manifest.files[GRAPH_WEIGHTS_FILE]
    assert bundle.labels == LABELS


def test_bf16_is_served_within_its_rounding(tmp_path: Path) -> None:
    """What bf16 costs was measured when it was imported, so that OpenVINO's bf16 agrees."""
    bundle = take_in(tmp_path, write_onnx(tmp_path / "birds.onnx"), *SIZED)
    classifier = open_classifier(bundle, "bf16")
    try:
        assert not classifier.refused
    finally:
        classifier.close()


def test_a_bundles_own_graph_can_be_imported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    """It takes bytes and has two outputs: that with a number for each label is meant.

    What bf16 costs it is what torch's autocast has measured, or near it.
    """
    graph = tiny_bundle.folder / "model.xml"
    labels = tiny_bundle.folder / "labels.txt"
    done = CliRunner().invoke(
        commands,
        ["import", str(graph), "--name", "again", "--labels", str(labels), "--models-dir",
         str(tmp_path), "--resize", "72"],
        catch_exceptions=False,
    )  # fmt: skip
    assert "RGB as NHWC" in done.stderr
    again = open_bundle(Path(done.stdout.strip()))
    pixels = np.asarray(np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)), np.uint8)
    assert np.allclose(score(again, pixels), score(tiny_bundle, pixels), atol=1e-3)
    by_torch, by_rounding = (_error_in_bf16(one) for one in (tiny_bundle, again))
    assert by_rounding == pytest.approx(by_torch, rel=0.5)


def _error_in_bf16(bundle: Bundle) -> float:
    """Read what bf16 costs the reference over all golden inputs, relative to its logits."""
    logits = load_file(bundle.folder / GOLDEN_LOGITS_FILE)
    exact, rounded = (
        one - one.mean(axis=1, keepdims=True) for one in (logits["f32"], logits["bf16"])
    )
    return float(np.linalg.norm(rounded - exact) / np.linalg.norm(exact))


def test_a_graph_that_answers_otherwise_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the bundle's graph is not what onnxruntime computes, there is no bundle."""

    def swap_red_and_blue(graph, layout, wants, recipe):
        return take_pixels(graph, layout, wants.model_copy(update={"channels": "bgr"}), recipe)

    monkeypatch.setattr(conversion, "take_pixels", swap_red_and_blue)
    model = write_onnx(tmp_path / "birds.onnx")
    with pytest.raises(WeightsRefused, match=r"birds\.onnx is computed otherwise by OpenVINO than"):
        run_import(tmp_path, model, *SIZED)
    assert not list((tmp_path / "models").rglob("*.xml"))


@pytest.mark.parametrize(
    ("form", "options", "told"),
    [
        (
            {},
            USUAL,
            r"birds\.onnx does not say how pictures are prepared: give --crop, or --recipe",
        ),
        ({}, (), "give --resize, --crop, --mean, --std"),
        ({"side": 24}, SIZED, r"birds\.onnx takes pictures of 24 x 24 pixels, and --crop says 32"),
        ({}, (*SIZED, "--resize", "16"), "crop 32 is larger than resize 16"),
        ({"element": "u8"}, SIZED, "takes whole numbers of 0 to 255 as they are: leave --mean"),
        ({}, (*SIZED, "--mean", "120,110,100"), "mean is from 0 to 1.*set range to 0-255"),
        ({}, (*SIZED, "--std", "0,1,1"), "a standard deviation is above 0"),
        ({}, (*SIZED, "--output", "probabilities"), "do not add up to 1, and --output says prob"),
        ({"ending": "softmax"}, (*SIZED, "--output", "logits"), "ends in a softmax, and --output"),
        ({"ending": "shares"}, (*SIZED, "--output", "logits"), "shares that add up to 1"),
        ({"ending": "sigmoid"}, SIZED, r"birds\.onnx ends in a sigmoid, which scores each class"),
        (
            {"layout": "nhwc"},
            (*SIZED, "--layout", "nchw"),
            r"takes f32 of shape .*as squares \(--layout nchw",
        ),
        ({}, (*SIZED, "--name", "resnet50"), "resnet50 is the name of an official model"),
    ],
)
def test_what_does_not_go_together_is_refused(
    form: dict[str, Any], options: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """A recipe that is incomplete or does not suit the model is told, and nothing is made."""
    model = write_onnx(tmp_path / "birds.onnx", **form)
    with pytest.raises(OperatorError, match=told):
        run_import(tmp_path, model, *options)
    assert not (tmp_path / "models").exists()


def test_a_recipe_file_is_read_strictly(tmp_path: Path) -> None:
    """What is misspelt in a recipe is told with what is known."""
    model = write_onnx(tmp_path / "birds.onnx")
    recipe = tmp_path / "birds.toml"
    for text, told in (
        ("means = [0.4, 0.5, 0.3]\n", r"birds\.toml: means is not known; known are resize, crop"),
        ("resize = [\n", r"birds\.toml is not TOML"),
        ("a = " + "[" * 5000, r"birds\.toml is no recipe: it is nested too deep"),
        ("resize = 'large'\n", r"birds\.toml: resize: Input should be a valid integer"),
    ):
        recipe.write_text(text)
        with pytest.raises(SettingsError, match=told):
            run_import(tmp_path, model, *SIZED[2:], "--recipe", str(recipe))
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file"):
        run_import(tmp_path, model, "--recipe", "none.toml")
