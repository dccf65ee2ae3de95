"""Heatmaps against Grad-CAM, computed by torch's own gradients on the same weights."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from tests import pictures
from topfive.bundles.store import Bundle, demo_root, open_bundle
from topfive.classify.classifier import Classifier, load_classifier
from topfive.classify.heatmap import _interpolation, _relative, open_class_maps
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module
from topfive.images.limits import ImageLimits
from topfive.input_recipe import InputRecipe
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture

MOST_DIFFERENCE = 1e-3
# The digits' graph stores its weights in f16, which Grad-CAM's are not rounded to.
MOST_DIFFERENCE_IN_F16 = 5e-3


@pytest.fixture(scope="module")
def resnet_bundle(tmp_path_factory) -> Bundle:
    """A ResNet-50 whose weights are random."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        weights = build_module("resnet50", {}, 5).state_dict()
    plan = BundlePlan(
        name="resnet50-random",
        version="1",
        architecture="resnet50",
        input=InputRecipe(resize=96, crop=96, mean=(0.485, 0.456, 0.406), std=(0.2, 0.2, 0.2)),
        labels=("a", "b", "c", "d", "e"),
        source="local:test",
        golden=draw_golden_picture(96),
    )
    return open_bundle(_write(plan, weights, tmp_path_factory.mktemp("resnet")))


def _write(plan: BundlePlan, weights, root: Path) -> Path:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        return write_bundle(plan, weights, root)


@pytest.fixture(
    scope="module",
    params=["tiny", "digits", "resnet", pytest.param("real", marks=pytest.mark.weights)],
)
def bundle(request) -> Bundle:
    """MobileNetV2 of random weights, the shipped one, ResNet-50, and MobileNetV2 as trained."""
    if request.param == "digits":
        return open_bundle(demo_root() / "digits" / "1")
    return request.getfixturevalue(f"{request.param}_bundle")


@pytest.fixture(scope="module", params=["openvino", "torch"])
def classifier(request, bundle):
    """The bundle in either engine."""
    loaded = load_classifier(
        bundle, EngineOptions(request.param, "f32"), ImageLimits(), frozenset()
    )
    yield loaded
    loaded.close()


def _grad_cam(bundle: Bundle, pixels, class_id: int):
    """Compute Grad-CAM for one class: gradients averaged over places weigh the features.

    Source: Selvaraju et al. (2017), equations 1 and 2.
    """
    manifest = bundle.manifest
    module = build_module(manifest.architecture, manifest.architecture_options, manifest.classes)
    module.load_state_dict(load_file(bundle.folder / "weights.safetensors"))
    module.float().eval()
    layer = module.features if manifest.architecture == "mobilenet_v2" else module.layer4
    kept = []
    layer.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    mean, std = (torch.tensor(one).reshape(3, 1, 1) for one in (manifest.input.mean,
                                                                manifest.input.std))  # fmt: skip
    logits = module((torch.tensor(pixels).permute(0, 3, 1, 2) / 255 - mean) / std)
    (gradients,) = torch.autograd.grad(logits[0, class_id], kept[0])
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return functional.relu((weights * kept[0]).sum(dim=1))[0].detach().numpy()


def _class_map(classifier: Classifier, pixels, class_id: int):
    features = classifier.engine.infer_with_features(pixels).features
    return _relative(open_class_maps(classifier.bundle).weigh(features, class_id))


@pytest.mark.parametrize("seed", range(4))
def test_a_heatmap_is_grad_cam(classifier, seed):
    """For the best class and another one the map is Grad-CAM's, both with 1 as their maximum."""
    side = classifier.side
    is_rounded = (classifier.ref.name, classifier.engine.name) == ("digits", "openvino")
    draw = pictures.draw if seed % 2 else pictures.draw_noise
    pixels = np.asarray(draw(side, side, seed))[np.newaxis]
    best = int(classifier.engine.infer(pixels).argmax())
    for class_id in (best, (best + 3) % classifier.bundle.manifest.classes):
        expected = _grad_cam(classifier.bundle, pixels, class_id)
        expected = expected / expected.max() if expected.max() else expected
        found = _class_map(classifier, pixels, class_id)
        assert found.shape == expected.shape
        most = MOST_DIFFERENCE_IN_F16 if is_rounded else MOST_DIFFERENCE
        np.testing.assert_allclose(found, expected, rtol=0, atol=most)


def test_a_map_is_enlarged_as_torch_does_it():
    """Between the places it is what torch's bilinear interpolation gives, on a part of any size."""
    small = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    ours = _interpolation(96, 0, 1, 7) @ small @ _interpolation(128, 0, 1, 5).T
    theirs = functional.interpolate(torch.tensor(small)[None, None], (96, 128), mode="bilinear")
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-5)
    part = _interpolation(100, 0.25, 0.75, 5)
    np.testing.assert_allclose(part[25:75], _interpolation(50, 0, 1, 5), atol=1e-6)
    assert not part[:25].any()
    assert not part[75:].any()
