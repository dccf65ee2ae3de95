"""What is found in torchvision's modules, whatever their layers are called."""

import pytest
import torch

from topfive.engines.torchvision_models import import_torchvision, last_linear_layer
from topfive.errors import EngineRefused


@pytest.mark.parametrize(
    ("architecture", "name", "features"),
    [
        ("mobilenet_v2", "classifier.1", 1280),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("resnet18", "fc", 512),
        ("convnext_tiny", "classifier.2", 768),
        ("swin_t", "head", 768),
        ("vit_b_16", "heads.head", 768),
    ],
)
def test_the_last_linear_layer_is_found(architecture, name, features):
    """Its name is torchvision's, and it gives one logit a class."""
    with torch.device("meta"):
        module = getattr(import_torchvision().models, architecture)(weights=None, num_classes=7)
    found, layer = last_linear_layer(module)
    assert (found, layer.in_features, layer.out_features) == (name, features, 7)


def test_a_network_without_a_linear_layer_says_so():
    """SqueezeNet ends in a convolution."""
    with torch.device("meta"):
        module = import_torchvision().models.squeezenet1_1(weights=None)
    with pytest.raises(EngineRefused, match="SqueezeNet has no linear layer at its end"):
        last_linear_layer(module)
