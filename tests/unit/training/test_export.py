"""Making a bundle: whole or not at all, and never twice."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from topfive.bundles.store import hash_file, list_manifests, open_bundle
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module
from topfive.errors import EngineRefused, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.input_recipe import InputRecipe
from topfive.training import export
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")


def _plan(**changes) -> BundlePlan:
    values = {
        "name": "small",
        "version": "1",
        "architecture": "mobilenet_v2",
        "input": InputRecipe(resize=32, crop=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
        "labels": ("one", "two", "three"),
        "source": "local:test",
        "golden": draw_golden_picture(32),
        "architecture_options": {"width_mult": 0.25},
        "metrics": {"accuracy": 0.5},
    }
    return BundlePlan(**(values | changes))


def _weights(classes: int = 3, options: Mapping[str, float] = {"width_mult": 0.25}):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build_module("mobilenet_v2", options, classes).state_dict()


@pytest.fixture(scope="module")
def half_bundle(tmp_path_factory) -> Path:
    """A bundle in half precision with a further picture in it."""
    root = tmp_path_factory.mktemp("half")
    plan = _plan(is_half=True, extra_files={"sample.png": draw_golden_picture(40)})
    return write_bundle(plan, _weights(), root)


def test_a_bundle_is_whole(half_bundle):
    """Every file has its hash in the manifest, anyone may read it, and nothing else is there."""
    bundle = open_bundle(half_bundle)
    names = {path.name for path in half_bundle.iterdir()}
    assert names == {*bundle.manifest.files, "bundle.json"}
    assert "sample.png" in names
    assert [path.name for path in half_bundle.parent.iterdir()] == ["1"]
    assert half_bundle.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in half_bundle.iterdir()} == {0o644}
    assert bundle.manifest.metrics == {"accuracy": 0.5}
    assert bundle.labels == ("one", "two", "three")


def test_half_precision_halves_the_weights_and_still_agrees(half_bundle):
    """Weights are stored as float16, and both engines agree with the reference."""
    stored = load_file(half_bundle / "weights.safetensors")
    assert stored["classifier.1.weight"].dtype == torch.float16
    assert stored["features.0.1.num_batches_tracked"].dtype == torch.int64
    for engine in ("openvino", "torch"):
        options = EngineOptions(engine, "f32")
        load_classifier(open_bundle(half_bundle), options, ImageLimits(), frozenset()).close()


@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_the_manifest_says_where_the_last_layers_weights_lie(half_bundle, tiny_folder, precision):
    """From there on the graph's file has the very bytes that torch's weights have."""
    folder = half_bundle if precision == "f16" else tiny_folder
    rows = load_file(folder / "weights.safetensors")["classifier.1.weight"]
    place = open_bundle(folder).manifest.heatmap
    assert (place.output, place.dtype, place.channels) == ("features", precision, rows.shape[1])
    expected = rows.numpy().tobytes()
    content = (folder / "model.bin").read_bytes()
    assert content[place.offset_bytes :][: len(expected)] == expected


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    """OpenVINO stores another number in place of one that is too large, and no heatmap fits it."""
    weights = _weights()
    weights["classifier.1.weight"][0, 0] = 1e6
    with pytest.raises(WeightsRefused, match=r"changed the last layer's weights .* to inf"):
        write_bundle(_plan(is_half=True), weights, tmp_path)
    assert list((tmp_path / "small").iterdir()) == []


def test_a_bundle_can_be_made_again_in_its_place(half_bundle, tmp_path):
    """What replaces a bundle is there afterwards, whole, and nothing of the old one is left."""
    shutil.copytree(half_bundle.parents[1], tmp_path, dirs_exist_ok=True)
    made = write_bundle(_plan(labels=("a", "b", "c")), _weights(), tmp_path, replaces=True)
    assert open_bundle(made).labels == ("a", "b", "c")
    assert not (made / "sample.png").exists()
    assert [path.name for path in made.parent.iterdir()] == ["1"]


def test_an_existing_bundle_is_left_alone(half_bundle):
    """Making the same version again changes nothing."""
    before = {path.name: path.stat().st_mtime_ns for path in half_bundle.iterdir()}
    again = write_bundle(_plan(labels=("a", "b")), {}, half_bundle.parents[1])
    assert again == half_bundle
    assert {path.name: path.stat().st_mtime_ns for path in half_bundle.iterdir()} == before


@pytest.mark.parametrize(
    ("plan", "weights"),
    [
        (_plan(labels=("one", "two")), _weights()),
        (_plan(architecture_options={"width_mult": 0.5}), _weights()),
        (_plan(), {"nothing": torch.ones(1)}),
    ],
)
def test_weights_of_another_shape_are_refused(tmp_path, plan, weights):
    """Weights that do not fit are refused, and nothing is left on disk."""
    with pytest.raises(WeightsRefused, match="The weights are not of mobilenet_v2"):
        write_bundle(plan, weights, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_give_no_numbers_are_refused(tmp_path):
    """Weights of a training that failed, with values that are not numbers, become no bundle."""
    weights = _weights()
    weights["classifier.1.bias"][0] = float("nan")
    with pytest.raises(WeightsRefused, match="not numbers in f32"):
        write_bundle(_plan(), weights, tmp_path)
    assert list((tmp_path / "small").iterdir()) == []


def test_an_unknown_architecture_is_refused(tmp_path):
    """Only known architectures are built; a name is never looked up in a library."""
    with pytest.raises(EngineRefused, match="'Tensor' is not known"):
        write_bundle(_plan(architecture="Tensor"), _weights(), tmp_path)


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch):
    """If writing breaks off, no bundle is there, and no rest of one."""

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(export, "_write_graph", fail)
    with pytest.raises(OSError, match="No space"):
        write_bundle(_plan(), _weights(), tmp_path)
    assert list((tmp_path / "small").iterdir()) == []
    assert list_manifests(tmp_path) == []


def test_a_bundle_made_meanwhile_by_another_process_is_taken(half_bundle, tmp_path, monkeypatch):
    """Whoever comes second to the rename keeps the first one's bundle."""
    target = tmp_path / "small" / "1"

    def other_was_faster(_plan, _module, _weights, folder: Path) -> None:
        (folder / "late").touch()
        target.mkdir()
        (target / "early").touch()

    monkeypatch.setattr(export, "_write_files", other_was_faster)
    assert write_bundle(_plan(), _weights(), tmp_path) == target
    assert [path.name for path in target.iterdir()] == ["early"]
    assert [path.name for path in target.parent.iterdir()] == ["1"]


def test_the_golden_answer_is_torchs(tiny_folder):
    """The manifest holds the reference's best five, best first, and what they add up to is sane."""
    golden = json.loads((tiny_folder / "bundle.json").read_text("utf-8"))["golden"]["top_five"]
    confidences = [one["confidence"] for one in golden]
    assert len(golden) == 5
    assert confidences == sorted(confidences, reverse=True)
    assert 0 < sum(confidences) <= 1


@pytest.mark.parametrize("side", [32, 64, 224])
def test_the_golden_picture_is_always_the_same(side, tmp_path):
    """It is drawn by arithmetic, of the size that was asked for, and is no flat colour."""
    first, second = draw_golden_picture(side), draw_golden_picture(side)
    assert first.size == (side, side)
    assert first.tobytes() == second.tobytes()
    assert min(high - low for low, high in first.getextrema()) > 50
    first.save(tmp_path / "a.png")
    second.save(tmp_path / "b.png")
    assert hash_file(tmp_path / "a.png") == hash_file(tmp_path / "b.png")
