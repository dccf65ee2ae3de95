"""Heatmaps against Grad-CAM, computed by torch's own gradients on the same weights."""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from tests import pictures
from topfive.bundles.store import Bundle, demo_root, open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.heatmap import _lay, _relative, open_class_maps
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import crop_box
from topfive.images.sniff import sniff
from topfive.input_recipe import InputRecipe
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture

LIMITS = ImageLimits()
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
    loaded = load_classifier(bundle, EngineOptions(request.param, "f32"), LIMITS, frozenset())
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


def _greyed(picture: Image.Image, order, seen) -> bytes:
    """Grey the fifth of the seen pixels for which `order` is highest."""
    pixels = np.asarray(picture).copy()
    ranked = np.where(seen, order, -np.inf).ravel()
    count = int(0.2 * seen.sum())
    pixels.reshape(-1, 3)[np.argpartition(ranked, -count)[-count:]] = 127
    return pictures.encode(Image.fromarray(pixels), "PNG", compress_level=1)


def _confidence(classifier: Classifier, data: bytes, class_id: int) -> float:
    classes = classifier.classify(sniff(data, LIMITS), 1000).classes
    return next(one.confidence for one in classes if one.class_id == class_id)


@pytest.mark.weights
def test_heatmaps_show_what_the_model_goes_by(real_bundle, photos):
    """Over photos, without the hottest fifth the model is far less sure than without the coldest.

    The map is laid over the whole picture as a page does it: one that is shifted or turned fails.
    """
    classifier = load_classifier(real_bundle, EngineOptions("openvino", "f32"), LIMITS, frozenset())
    sure, rng = [], np.random.default_rng(0)
    for photo in photos[::4]:
        upload = sniff(photo.path.read_bytes(), LIMITS)
        explained = classifier.explain(classifier.prepare(upload), 1)
        picture = decode(upload, LIMITS, 10**6).pixels
        with Image.open(BytesIO(explained.heatmap.png)) as png:
            heat = np.asarray(png.resize(picture.size, Image.Resampling.BILINEAR))
        # Where nothing was seen all places are alike: chance decides among them.
        heat = heat + rng.random(heat.shape) / 100
        left, top, right, bottom = map(round, crop_box(picture.size, real_bundle.manifest.input))
        seen = np.zeros(heat.shape, bool)
        seen[top:bottom, left:right] = True
        best = explained.classes[0]
        greyed = [
            _confidence(classifier, _greyed(picture, order, seen), best.class_id)
            for order in (heat, -heat)
        ]
        sure.append((best.confidence, *greyed))
    classifier.close()
    whole, without_hottest, without_coldest = np.mean(sure, axis=0)
    assert whole - without_hottest > 5 * (whole - without_coldest)
    assert without_hottest < whole / 2


def test_a_map_is_enlarged_as_torch_does_it():
    """Between the places it is what torch's bilinear interpolation gives, on a part of any size."""
    small = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    wanted = functional.interpolate(torch.tensor(small)[None, None], (48, 64), mode="bilinear")
    expected = wanted[0, 0].numpy() * 255
    np.testing.assert_allclose(np.asarray(_lay(small, (64, 48), (0, 0, 1, 1))), expected, atol=0.51)
    part = np.asarray(_lay(small, (128, 96), (0.25, 0.25, 0.75, 0.75)))
    np.testing.assert_allclose(part[24:72, 32:96], expected, atol=0.51)
    assert part.sum() == part[24:72, 32:96].sum()
