"""The golden inputs, and the reference's answers as a bundle keeps them."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import open_bundle
from topfive.classify.golden import INPUTS, make_inputs, open_reference
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.errors import BundleRefused, EngineRefused
from topfive.images.limits import ImageLimits

PICTURE = np.arange(20 * 20 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 20, 3)
# Stored logits were computed for these very pixels: another noise would refuse every bundle.
NOISE_SHA256 = "c0bcc94af8c1aef8570e64c3e2f65b340a70bd058e882f0656e642da02f27a29"


@pytest.fixture
def copied(tiny_folder, tmp_path):
    """A copy of the tiny bundle to change."""
    return copy_bundle(tiny_folder, tmp_path / "copy")


@pytest.fixture
def older(copied):
    """A bundle as it was made before logits were kept."""
    (copied / "golden.safetensors").unlink()
    change_manifest(copied, lambda one: one.pop("heatmap"))
    change_manifest(copied, lambda one: one["golden"].pop("inputs"))
    change_manifest(copied, lambda one: one["files"].pop("golden.safetensors"))
    return copied


def _load(folder, precision="f32", engine="openvino"):
    options = EngineOptions(engine, precision)
    return load_classifier(open_bundle(folder), options, ImageLimits(), frozenset())


def test_the_inputs_are_the_picture_its_flips_and_noise():
    """Each input is what it is called, and no two are alike."""
    made = dict(zip(INPUTS, make_inputs(PICTURE, INPUTS), strict=True))
    assert (made["picture"] == PICTURE).all()
    assert (made["flipped_across"] == PICTURE[:, ::-1]).all()
    assert (made["flipped_down"] == PICTURE[::-1]).all()
    assert len({one.tobytes() for one in made.values()}) == len(INPUTS)
    assert (made["noise_8_1"][:8, :8] == made["noise_8_1"][0, 0]).all()
    assert (made["noise_4_1"][:4, :4] == made["noise_4_1"][0, 0]).all()
    assert (made["noise_4_1"][0, 0] != made["noise_4_1"][0, 4]).any()


def test_the_noise_is_the_same_for_ever():
    """The noise is drawn by arithmetic on whole numbers, and does not depend on the picture."""
    noise = make_inputs(np.zeros((20, 20, 3), np.uint8), INPUTS[3:])
    assert (noise == make_inputs(PICTURE, INPUTS[3:])).all()
    assert noise.shape == (4, 20, 20, 3)
    assert hashlib.sha256(noise.tobytes()).hexdigest() == NOISE_SHA256


def test_noise_is_lively_and_coloured():
    """Over a picture of the usual size the noise covers all values, and its channels differ."""
    noise = make_inputs(np.zeros((224, 224, 3), np.uint8), INPUTS[3:]).astype(float)
    assert abs(noise.mean() - 127.5) < 5
    channels = noise.reshape(-1, 3)
    assert np.abs(np.corrcoef(channels.T) - np.eye(3)).max() < 0.1


def test_a_bundle_names_the_inputs_that_its_logits_are_of(tiny_bundle):
    """The reference of a new bundle has logits and a map for every input, in f32 and in bf16."""
    reference = open_reference(tiny_bundle, has_features=True)
    assert tiny_bundle.manifest.golden.inputs == INPUTS
    assert reference.inputs.shape == (len(INPUTS), 64, 64, 3)
    logits = reference.logits
    assert logits.f32.shape == logits.bf16.shape == (len(INPUTS), 10)
    assert reference.f32.shape == reference.bf16.shape == (len(INPUTS), 2, 2)
    assert (logits.f32 != logits.bf16).any()
    assert (reference.f32 != reference.bf16).any()


def test_inputs_of_a_later_version_are_refused(copied):
    """Inputs that are not known here cannot be made, and are named."""
    change_manifest(copied, lambda one: one["golden"].update(inputs=["picture", "rotated"]))
    with pytest.raises(BundleRefused, match=r"does not know: rotated\. Update topfive"):
        _load(copied)


def test_logits_without_a_hash_are_refused(copied):
    """A bundle that says it has logits must vouch for them."""
    change_manifest(copied, lambda one: one["files"].pop("golden.safetensors"))
    with pytest.raises(BundleRefused, match=r"no hash for golden\.safetensors"):
        open_bundle(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {"f32": tensors["f32"]},
        lambda tensors: tensors | {"bf16": tensors["bf16"][:3]},
        lambda tensors: tensors | {"f32": np.full_like(tensors["f32"], np.nan)},
        lambda tensors: {name: tensors[name] for name in ("f32", "bf16", "f32_maps")},
        lambda tensors: tensors | {"bf16_maps": tensors["bf16_maps"][:3]},
        lambda tensors: tensors | {"f32_maps": tensors["f32_maps"][0]},
        lambda tensors: tensors | {"f32_maps": np.full_like(tensors["f32_maps"], np.nan)},
    ],
)
def test_logits_that_cannot_be_compared_with_are_refused(copied, change):
    """Missing, too few or broken logits are a damaged bundle, even with the right hash."""
    changed = save(change(load_file(copied / "golden.safetensors")))
    replace_file(copied, "golden.safetensors", changed)
    with pytest.raises(BundleRefused, match=r"golden\.safetensors"):
        _load(copied)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_a_damaged_logits_file_is_refused(copied, content):
    """A file that is none is refused as an operator's matter."""
    replace_file(copied, "golden.safetensors", content)
    with pytest.raises(BundleRefused, match="cannot be read"):
        _load(copied)


def test_an_older_bundle_serves_in_f32(older):
    """A bundle with the best classes alone is checked by them, in f32."""
    loaded = _load(older)
    assert loaded.engine.precision == "f32"
    loaded.close()


def test_an_older_bundle_does_not_serve_in_bf16(older):
    """Confidences cannot tell rounding from faults; the reason says what to do."""
    with pytest.raises(EngineRefused, match=r"f32 alone can be checked.*pull it again"):
        _load(older, "bf16", "torch")


@pytest.mark.parametrize("change", [
    lambda best: best[1].update(confidence=0.9),
    lambda best: best.reverse(),
    lambda best: best[0].update(confidence=best[0]["confidence"] - 0.01),
])  # fmt: skip
def test_an_older_bundle_with_other_answers_is_refused(older, change):
    """Another confidence or another best class is seen in an older bundle too."""
    change_manifest(older, lambda one: change(one["golden"]["top_five"]))
    with pytest.raises(EngineRefused, match="the most allowed"):
        _load(older)
