"""Pulling: from a weights file to a bundle, once."""

import pytest
import torch
from safetensors.torch import save_file

from topfive.bundles.source import given_source
from topfive.bundles.store import open_bundle
from topfive.classify.classifier import load_classifier
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.errors import OperatorError, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.training.pull import PullOptions, pull_bundle

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
    options = PullOptions("mobilenet_v2", weights, labels, root / "models")
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
    assert str(options.root) not in (folder / "bundle.json").read_text("utf-8")
    assert bundle.manifest.metrics == {}
    assert folder.parent == options.root / "mobilenet_v2"
    how = EngineOptions("openvino", "f32")
    load_classifier(bundle, how, ImageLimits(), frozenset()).close()


def test_safetensors_give_the_same_bundle(pulled, tmp_path):
    """A safetensors file, which keeps no order of its tensors, is pulled like any other."""
    options, folder = pulled
    weights = _save_weights(tmp_path / "birds.safetensors", 3)
    same = PullOptions(options.name, weights, options.labels_file, tmp_path / "models")
    made, other = open_bundle(pull_bundle(same)).manifest, open_bundle(folder).manifest
    assert (made.classes, made.golden) == (other.classes, other.golden)


def test_pulling_again_leaves_it_as_it_is(pulled):
    """A second pull finds the first one's bundle, and leaves no rests beside it."""
    options, folder = pulled
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert pull_bundle(options) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name for path in options.root.iterdir()} <= {"mobilenet_v2", ".pull.lock"}


def test_imagenets_names_need_a_thousand_classes(pulled):
    """Weights of other classes without labels are refused with what to set."""
    options, _ = pulled
    without = PullOptions(options.name, options.weights, None, options.root / "other")
    with pytest.raises(WeightsRefused, match=r"3 classes, not ImageNet's 1000.*TOPFIVE_LABELS"):
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
    with pytest.raises(OperatorError, match=message):
        pull_bundle(PullOptions(options.name, options.weights, labels, tmp_path / "models"))


@pytest.mark.parametrize("name", ["alexnet", "", "../mobilenet_v2", "tiny"])
def test_an_unknown_name_is_refused_with_those_known(tmp_path, name):
    """The message lists what can be pulled, and nothing is written."""
    with pytest.raises(WeightsRefused, match="Known: mobilenet_v2, resnet50"):
        pull_bundle(PullOptions(name, "", None, tmp_path / "models"))
    assert not (tmp_path / "models").exists()


def test_missing_weights_are_refused(tmp_path):
    """A given file that is not there is told with the setting."""
    options = PullOptions("mobilenet_v2", str(tmp_path / "gone.pth"), None, tmp_path / "models")
    with pytest.raises(WeightsRefused, match=r"gone\.pth.*TOPFIVE_WEIGHTS"):
        pull_bundle(options)


def test_weights_of_another_architecture_are_refused(pulled, tmp_path):
    """MobileNet's weights do not become a ResNet."""
    options, _ = pulled
    wrong = PullOptions("resnet50", options.weights, options.labels_file, tmp_path)
    with pytest.raises(WeightsRefused, match="not of resnet50"):
        pull_bundle(wrong)


def test_weights_that_do_not_end_in_a_bias_are_refused(tmp_path):
    """Named tensors of something else are refused in plain words."""
    path = tmp_path / "matrix.pth"
    torch.save({"weight": torch.ones(2, 2)}, path)
    with pytest.raises(WeightsRefused, match="they have no classifier"):
        pull_bundle(PullOptions("mobilenet_v2", str(path), None, tmp_path / "models"))
