"""torchvision's classifiers of several kinds: read from files, made into bundles, and served."""

import shutil

import numpy as np
import pytest
import torch

from tests.functional.start import run_topfive
from tests.live_server import run_server
from tests.pictures import jpeg
from topfive.bundles.recipe import RecipeOptions
from topfive.bundles.store import open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import engine_source, load_classifier
from topfive.engines import EngineCandidate, EngineOptions, open_engine
from topfive.engines.architectures import architecture_options
from topfive.engines.torchvision_models import (
    build_module,
    load_weights,
    scoring_layer,
)
from topfive.errors import EngineRefused, HeatmapUnavailable, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.registry.desired import ModelOptions
from topfive.training.pull import pull_bundle

SIDE = 64
LIMITS = ImageLimits()
# Of each kind the smallest; the first end in the mean of their features and a linear layer.
WITH_HEATMAPS = ("efficientnet_b0", "swin_t", "regnet_y_400mf")
WITHOUT = ("mobilenet_v3_small", "convnext_tiny", "vit_b_32", "squeezenet1_1")
# Weights that nothing was trained for may lose more by bf16 than any that serve: OpenVINO's is not
# asked for alone.
WAYS = (("openvino", "f32"), ("openvino", "auto"), ("torch", "f32"), ("torch", "bf16"))


def _lively(architecture: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Make seeded weights of three classes whose answers depend on the picture."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        module = build_module(architecture, architecture_options(architecture, SIDE), 3)
        # ViT begins with a last layer of zeros, which would agree with anything.
        torch.nn.init.normal_(scoring_layer(module)[1].weight)
    return dict(module.state_dict())


def _pull(architecture: str, folder, seed: int = 0):
    """Make a bundle of a file as people have it."""
    folder.mkdir()
    torch.save({"model": _lively(architecture, seed), "epoch": 3}, folder / "own.pth")
    (folder / "labels.txt").write_text("robin\nwren\nowl\n", "utf-8")
    recipe = RecipeOptions(resize=SIDE, crop=SIDE)
    options = ModelOptions(
        architecture, str(folder / "own.pth"), folder / "labels.txt", folder, "own", recipe
    )
    return open_bundle(pull_bundle(options))


@pytest.fixture(scope="module", params=[*WITH_HEATMAPS, *WITHOUT])
def bundle(request, tmp_path_factory):
    """A bundle of each kind, for pictures of 64 x 64."""
    folder = tmp_path_factory.mktemp("made") / request.param
    yield _pull(request.param, folder)
    shutil.rmtree(folder)


def _load(bundle, engine, precision) -> Classifier:
    options = EngineOptions(engine, precision)
    return load_classifier(bundle, options, LIMITS, probe_machine().cpu_flags)


def test_every_engine_agrees_with_the_reference(bundle):
    """In each precision, of weights with fewer classes than ImageNet has."""
    for engine, precision in WAYS:
        classifier = _load(bundle, engine, precision)
        assert classifier.engine.name == engine
        classifier.close()
    assert bundle.manifest.classes == 3


@pytest.mark.parametrize("architecture", ["regnet_y_400mf", "mobilenet_v3_small"])
def test_another_graph_is_refused(architecture, tmp_path):
    """What has the same shape and other weights is seen by the golden check."""
    bundle = _pull(architecture, tmp_path / "right")
    other = _pull(architecture, tmp_path / "other", seed=1)
    engine = open_engine(engine_source(other), EngineCandidate("openvino", "f32", ""), 1)
    classifier = Classifier(bundle, engine, LIMITS)
    with pytest.raises(EngineRefused, match="disagrees with the reference"):
        classifier.check_golden()
    classifier.close()


def test_heatmaps_add_up_to_the_logit_or_are_said_not_to_be_there(bundle):
    """Where the network ends in a mean and a linear layer: else the message names it."""
    classifier = _load(bundle, "openvino", "f32")
    architecture = bundle.manifest.architecture
    if architecture in WITHOUT:
        with pytest.raises(HeatmapUnavailable, match=f"its architecture, {architecture}, does not"):
            classifier.require_heatmap()
        classifier.close()
        return
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    logits, features = classifier.engine.infer_with_features(pixels)
    module = _module_of(bundle)
    layer = scoring_layer(module)[1]
    summed = features.mean(axis=(0, 1)) @ layer.weight.detach().numpy().T
    np.testing.assert_allclose(summed + layer.bias.detach().numpy(), logits, atol=1e-3, rtol=1e-3)
    classifier.close()


def _module_of(bundle) -> torch.nn.Module:
    from safetensors.torch import load_file

    manifest = bundle.manifest
    module = build_module(manifest.architecture, manifest.architecture_options, manifest.classes)
    load_weights(module, load_file(bundle.folder / "weights.safetensors"))
    return module.eval()


def test_sizes_that_an_architecture_cannot_take_are_refused(tmp_path):
    """Nothing is left of a bundle that cannot be made."""
    torch.save(build_module("inception_v3", {}, 3).state_dict(), tmp_path / "own.pth")
    (tmp_path / "labels.txt").write_text("robin\nwren\nowl\n", "utf-8")
    options = ModelOptions(
        "inception_v3", str(tmp_path / "own.pth"), tmp_path / "labels.txt", tmp_path / "models",
        "own", RecipeOptions(resize=32, crop=32),
    )  # fmt: skip
    with pytest.raises(WeightsRefused, match="inception_v3 cannot be run on pictures of 32 x 32"):
        pull_bundle(options)
    assert [one.name for one in (tmp_path / "models" / "own").iterdir()] == []


def test_a_classifier_without_heatmaps_is_served_and_says_so(tmp_path):
    """Pulled by name and served by the real server; who asks for a heatmap reads why not."""
    torch.save(_lively("mobilenet_v3_small"), tmp_path / "own.pth")
    (tmp_path / "labels.txt").write_text("robin\nwren\nowl\n", "utf-8")
    done = run_topfive(
        tmp_path, "pull", "mobilenet_v3_small", "--weights", "own.pth", "--labels", "labels.txt",
        "--name", "birds", "--crop", str(SIDE),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "(mobilenet_v3_small)" in done.stderr
    with run_server(tmp_path, model="birds") as server:
        model = server.get("/info").json["model"]
        assert (model["architecture"], model["heatmap"]) == ("mobilenet_v3_small", False)
        assert model["input"]["resize"] == 256
        names = {one["class_name"] for one in server.upload(jpeg()).json["predictions"]}
        assert names == {"robin", "wren", "owl"}
        refused = server.upload(jpeg(), "/predict?explain=heatmap")
        assert (refused.status, refused.json["code"]) == (400, "heatmap_unavailable")
        assert "its architecture, mobilenet_v3_small, does not end" in refused.json["detail"]
