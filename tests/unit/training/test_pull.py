"""Pulling: from a weights file to a bundle, once."""

import errno
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from topfive.bundles.recipe import RecipeOptions
from topfive.bundles.source import given_source
from topfive.bundles.store import open_bundle
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.errors import BundleMissing, LabelsRefused, SettingsError, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.registry.desired import ModelOptions
from topfive.training.pull import pull_bundle

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")


def _save_weights(path, classes: int) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = build_module("mobilenet_v2", {}, classes).state_dict()
    (save_file if path.suffix == ".safetensors" else torch.save)(weights, path)
    return str(path)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory):
    """A bundle pulled from a local file of MobileNetV2 with three classes of our own."""
    root = tmp_path_factory.mktemp("pulled")
    labels = root / "labels.txt"
    labels.write_text("robin\nwren\nowl\n", "utf-8")
    weights = _save_weights(root / "birds.pth", 3)
    options = ModelOptions("mobilenet_v2", weights, labels, root / "models")
    return options, pull_bundle(options)


def test_a_bundle_is_made_of_a_local_file(pulled):
    """The bundle has the given labels, torchvision's own recipe, and no path of this machine."""
    options, folder = pulled
    bundle = open_bundle(folder)
    preset = import_torchvision().models.MobileNet_V2_Weights.DEFAULT.transforms()
    assert bundle.labels == ("robin", "wren", "owl")
    assert bundle.manifest.input.resize == preset.resize_size[0]
    assert bundle.manifest.input.crop == preset.crop_size[0]
    assert bundle.manifest.input.mean == tuple(preset.mean)
    assert bundle.manifest.source == given_source(options.weights)
    assert str(options.models_dir) not in (folder / "bundle.json").read_text("utf-8")
    assert bundle.manifest.metrics == {}
    assert folder.parent == options.models_dir / "birds"
    options = EngineOptions("openvino", "f32")
    load_classifier(bundle, options, ImageLimits(), frozenset()).close()


def test_safetensors_give_the_same_bundle(pulled, tmp_path):
    """A safetensors file, which keeps no order of its tensors, is pulled like any other."""
    options, folder = pulled
    weights = _save_weights(tmp_path / "birds.safetensors", 3)
    same = ModelOptions(options.model, weights, options.labels_file, tmp_path / "models")
    made, other = open_bundle(pull_bundle(same)).manifest, open_bundle(folder).manifest
    assert (made.classes, made.golden) == (other.classes, other.golden)


def test_pulling_again_leaves_it_as_it_is(pulled):
    """A second pull finds the first one's bundle, and leaves no rests beside it."""
    options, folder = pulled
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert pull_bundle(options) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name for path in options.models_dir.iterdir()} <= {"birds", ".pull.lock"}


def _make_older(folder, *, has_weights: bool = True) -> None:
    """Turn a bundle into one of the first layout."""
    manifest = json.loads((folder / "bundle.json").read_text("utf-8"))
    del manifest["heatmap"]
    manifest |= {"layout": 1, "created": "2026-01-01T00:00:00+00:00"}
    (folder / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    if not has_weights:
        (folder / "weights.safetensors").unlink()


@pytest.mark.parametrize("has_weights", [True, False])
def test_a_bundle_of_the_first_layout_is_made_again(pulled, tmp_path, has_weights):
    """Of its own weights, or without them of the same source; it stays as old as it was."""
    options, folder = pulled
    shutil.copytree(folder.parent, tmp_path / folder.parent.name)
    older = tmp_path / folder.parent.name / folder.name
    _make_older(older, has_weights=has_weights)
    assert pull_bundle(replace(options, models_dir=tmp_path)) == older
    made, before = (open_bundle(one).manifest for one in (older, folder))
    assert (made.layout, made.heatmap) == (2, before.heatmap)
    assert made.files["weights.safetensors"] == before.files["weights.safetensors"]
    assert made.golden == before.golden
    assert (made.created == "2026-01-01T00:00:00+00:00") == has_weights
    assert [path.name for path in older.parent.iterdir()] == [older.name]


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": "robin\nwren\nbarn owl\n"},
        {"recipe": RecipeOptions(resize=256)},
        {"recipe": RecipeOptions(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))},
    ],
)
def test_other_labels_or_another_recipe_make_another_bundle(pulled, tmp_path, changes):
    """What was corrected is made anew, beside the old one, and found from then on."""
    options, folder = pulled
    labels = tmp_path / "labels.txt"
    labels.write_text(changes.get("labels", "robin\nwren\nowl\n"), "utf-8")
    recipe = changes.get("recipe", RecipeOptions())
    corrected = replace(options, labels_file=labels, recipe=recipe)
    made = pull_bundle(corrected)
    assert made.parent == folder.parent
    assert made != folder
    manifest = open_bundle(made).manifest
    assert recipe.given.items() <= manifest.input.model_dump().items()
    assert pull_bundle(corrected) == made
    assert pull_bundle(options) == folder


def test_the_official_names_stay_free(pulled, tmp_path):
    """Weights of one's own get the name given; an official one is refused before any work."""
    options, _ = pulled
    named = replace(options, name="robins", models_dir=tmp_path)
    assert pull_bundle(named).parent == tmp_path / "robins"
    with pytest.raises(SettingsError, match="Choose another name"):
        pull_bundle(replace(options, name="mobilenet_v2", models_dir=tmp_path))


def test_a_directory_that_cannot_be_written_to_is_a_mistake(pulled, tmp_path):
    """Waiting does not help there; a full disk may be emptied."""
    options, _ = pulled
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TOPFIVE_MODELS_DIR"):
        pull_bundle(replace(options, models_dir=tmp_path / "file" / "models"))


def test_a_full_disk_is_no_mistake(pulled, tmp_path, monkeypatch):
    """What may heal is told as such, so that it is tried again."""
    options, _ = pulled

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("topfive.training.pull.write_bundle", fail)
    with pytest.raises(BundleMissing, match="No space left"):
        pull_bundle(replace(options, models_dir=tmp_path))


def test_imagenets_names_need_a_thousand_classes(pulled):
    """Weights of other classes without labels are refused with what to set."""
    options, _ = pulled
    without = ModelOptions(options.model, options.weights, None, options.models_dir / "other")
    with pytest.raises(LabelsRefused, match=r"3 classes, not ImageNet's 1000.*TOPFIVE_LABELS"):
        pull_bundle(without)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"robin\nwren\n", "2 names for 3 classes"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_labels_that_do_not_fit_are_refused(pulled, tmp_path, content, message):
    """A labels file must be there, be text, and have a name for each class."""
    options, _ = pulled
    labels = tmp_path / "labels.txt"
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(LabelsRefused, match=message) as refusal:
        pull_bundle(ModelOptions(options.model, options.weights, labels, tmp_path / "models"))
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) <= 300


@pytest.mark.parametrize("name", ["alexnet2", "", "../mobilenet_v2", "tiny"])
def test_an_unknown_name_is_refused_with_those_known(tmp_path, name):
    """The message says where what can be pulled is listed, and nothing is written."""
    with pytest.raises(WeightsRefused, match=r"Known: torchvision's .*docs/architectures.md"):
        pull_bundle(ModelOptions(name, "", None, tmp_path / "models"))
    assert not (tmp_path / "models").exists()


def test_missing_weights_are_refused(tmp_path):
    """A given file that is not there is told with the setting."""
    options = ModelOptions("mobilenet_v2", str(tmp_path / "gone.pth"), None, tmp_path / "models")
    with pytest.raises(WeightsRefused, match=r"gone\.pth.*TOPFIVE_WEIGHTS"):
        pull_bundle(options)


def test_weights_of_another_architecture_are_refused(pulled, tmp_path):
    """MobileNet's weights do not become a ResNet."""
    options, _ = pulled
    wrong = ModelOptions("resnet50", options.weights, options.labels_file, tmp_path)
    with pytest.raises(WeightsRefused, match="not of resnet50"):
        pull_bundle(wrong)


def test_weights_that_do_not_end_in_a_bias_are_refused(tmp_path):
    """Named tensors of something else are refused in plain words."""
    path = tmp_path / "matrix.pth"
    torch.save({"weight": torch.ones(2, 2)}, path)
    with pytest.raises(WeightsRefused, match="nor of any other model"):
        pull_bundle(ModelOptions("mobilenet_v2", str(path), None, tmp_path / "models"))


def test_a_version_of_ones_own_is_made_and_never_changed(pulled, tmp_path):
    """It has the version that was asked for; other weights under it are refused, and kept apart."""
    options, _ = pulled
    mine = replace(options, models_dir=tmp_path, version="1.2.0")
    folder = pull_bundle(mine)
    assert open_bundle(folder).manifest.version == "1.2.0"
    assert folder == tmp_path / "birds" / "1.2.0"
    assert pull_bundle(mine) == folder
    changed = replace(mine, recipe=RecipeOptions(resize=300))
    with pytest.raises(SettingsError, match=r"version 1\.2\.0 of birds already, made of other"):
        pull_bundle(changed)
    assert pull_bundle(replace(changed, version="1.3.0")) == tmp_path / "birds" / "1.3.0"
    for wrong in ("../1", "Neu", "sha256:000000000000"):
        with pytest.raises(SettingsError, match="cannot be the version"):
            pull_bundle(replace(mine, version=wrong))


def test_what_is_quantized_is_not_pulled(tmp_path):
    """It says how that version is made, and downloads nothing."""
    options = ModelOptions("mobilenet_v2", "", None, tmp_path, version="imagenet1k-v2-int8")
    with pytest.raises(SettingsError, match="topfive quantize mobilenet_v2@imagenet1k-v2 --cal"):
        pull_bundle(options)
