"""Checkpoints of torchvision's other classifiers: other heads, names of before, other sizes."""

import re

import pytest
import torch

from topfive.engines.torchvision_models import build_module, import_torchvision, load_weights
from topfive.errors import WeightsRefused
from topfive.training.checkpoints import fit_architecture


def _refusal(tensors, architecture) -> str:
    with pytest.raises(WeightsRefused) as refusal:
        fit_architecture(tensors, architecture, 224)
    assert len(str(refusal.value)) <= 300
    return str(refusal.value)


@pytest.mark.parametrize(
    ("architecture", "head", "features"),
    [
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("convnext_tiny", "classifier.2", 768),
        ("vit_b_16", "heads.head", 768),
        ("maxvit_t", "classifier.5", 512),
    ],
)
@pytest.mark.parametrize("inner", ["", ".1"])
def test_a_head_in_the_place_of_the_last_layer_is_read(architecture, head, features, inner):
    """Beside other layers at the end, too; people put a dropout and a linear layer there."""
    whole = build_module(architecture, {}, 2).state_dict()
    moved = {name: one for name, one in whole.items() if not name.startswith(f"{head}.")}
    moved[f"{head}{inner}.weight"] = torch.ones(4, features)
    fitted, classes = fit_architecture(moved, architecture, 224)
    assert classes == 4
    assert torch.equal(fitted[f"{head}.weight"], torch.ones(4, features))
    load_weights(build_module(architecture, {}, 4), fitted)


def test_a_head_of_other_layers_than_torchvisions_is_named():
    """MobileNetV3 has two; the message says which is missing."""
    tensors = build_module("mobilenet_v3_small", {}, 1).state_dict()
    own = {name: one for name, one in tensors.items() if not name.startswith("classifier.")}
    own["classifier.weight"] = torch.ones(4, 576)
    assert _refusal(own, "mobilenet_v3_small") == (
        "The weights of mobilenet_v3_small have no classifier (classifier.3.weight)."
    )


def test_a_convolution_that_scores_classes_is_read():
    """SqueezeNet has no linear layer."""
    tensors = build_module("squeezenet1_1", {}, 3).state_dict()
    assert fit_architecture(tensors, "squeezenet1_1", 224)[1] == 3
    tensors["classifier.1.weight"] = torch.ones(3, 512)
    assert "The classifier (classifier.1) is not a convolution" in _refusal(
        tensors, "squeezenet1_1"
    )


def test_vision_transformers_say_what_size_they_are_for():
    """They have a row for each square of the picture; their own recipe is told then."""
    tensors = build_module("vit_b_32", {"image_size": 384}, 3).state_dict()
    assert _refusal(tensors, "vit_b_32") == (
        "These weights of vit_b_32 are for pictures of 384 x 384 pixels. Set "
        "TOPFIVE_INPUT_CROP=384 (--crop 384), and TOPFIVE_INPUT_RESIZE (--resize) to what they "
        "were trained with."
    )
    fitted, classes = fit_architecture(tensors, "vit_b_32", 384)
    assert classes == 3
    load_weights(build_module("vit_b_32", {"image_size": 384}, 3), fitted)
    broken = tensors | {"encoder.pos_embedding": torch.ones(1, 0, 768)}
    assert "encoder.pos_embedding has the shape 1 x 0 x 768" in _refusal(broken, "vit_b_32")


@pytest.mark.parametrize(
    ("architecture", "now", "before"),
    [
        ("densenet121", r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2"),
        ("vit_b_16", r"(mlp)\.0\.", r"\1.linear_1."),
        ("vit_b_16", r"(mlp)\.3\.", r"\1.linear_2."),
    ],
)
def test_names_of_before_are_understood(architecture, now, before):
    """Torchvision's own files of DenseNet and ViT have them."""
    tensors = build_module(architecture, {}, 3).state_dict()
    older = {re.sub(now, before, name): one for name, one in tensors.items()}
    assert older.keys() != tensors.keys()
    fitted, _ = fit_architecture(older, architecture, 224)
    assert fitted.keys() == tensors.keys()


@pytest.mark.filterwarnings("ignore")
def test_classifiers_for_training_alone_are_left_out():
    """Inception and GoogLeNet have further ones, which give no answer."""
    for architecture in ("googlenet", "inception_v3"):
        module = getattr(import_torchvision().models, architecture)(
            num_classes=3, init_weights=False
        )
        fitted, classes = fit_architecture(module.state_dict(), architecture, 224)
        assert classes == 3
        assert not [name for name in fitted if "aux" in name.lower()]


def test_tables_of_places_are_the_architectures_own():
    """Others in a file could lead anywhere; what they are follows from the architecture."""
    tensors = build_module("swin_t", {}, 3).state_dict()
    table = "features.1.0.attn.relative_position_index"
    fitted, _ = fit_architecture(tensors | {table: tensors[table] + 10**6}, "swin_t", 224)
    assert torch.equal(fitted[table], tensors[table])
    assert f"{table} has the shape 1" in _refusal(tensors | {table: torch.ones(1)}, "swin_t")
