"""torchvision's architectures by name, with no weights in them."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch

from topfive.engines.architectures import ARCHITECTURES
from topfive.errors import EngineRefused

# By architecture: the layer whose features are pooled, and the linear layer that scores them.
_HEADS = {"mobilenet_v2": ("features", "classifier.1"), "resnet50": ("layer4", "fc")}
_MISSING_OPERATORS = ("nms", "qnms")
_OPERATOR_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its wheel was built for CUDA and torch was not.

    Such a pair lacks two detection operators, without which the import fails; classifiers never
    call them, so their schemas are enough. Raises EngineRefused if torchvision is not installed.
    """
    try:
        try:
            import torchvision  # noqa: PLC0415
        except RuntimeError:
            _declare_missing_operators()
            import torchvision  # noqa: PLC0415
    except ImportError as error:
        raise EngineRefused(
            "torchvision is not installed, and this needs it. Install requirements-torch.txt."
        ) from error
    module: ModuleType = torchvision
    return module


def build_module(architecture: str, options: Mapping[str, float], classes: int) -> torch.nn.Module:
    """Make one of ARCHITECTURES with untrained weights and `classes` outputs.

    Raises EngineRefused if the architecture is not known.
    """
    if architecture not in ARCHITECTURES:
        raise EngineRefused(
            f"The architecture {architecture!r} is not known. Known: {', '.join(ARCHITECTURES)}."
        )
    constructor: Any = getattr(import_torchvision().models, architecture)
    module: torch.nn.Module = constructor(weights=None, num_classes=classes, **options)
    return module


def give_features(module: torch.nn.Module, architecture: str) -> torch.nn.Module:
    """Make of a module one that gives logits and the features that they are pooled from.

    Both have the same weights. It gives (N, classes) and (N, channels, height, width).
    """
    import_torchvision()
    from torchvision.models.feature_extraction import (  # noqa: PLC0415 - torchvision may be patched
        create_feature_extractor,
    )

    features, linear = _HEADS[architecture]
    extract = create_feature_extractor(module, {linear: "logits", features: "features"})
    return _Pair(extract).train(module.training)


def linear_weights(module: torch.nn.Module, architecture: str) -> torch.Tensor:
    """Give the weights by which features become logits, (classes, channels)."""
    return module.get_parameter(f"{_HEADS[architecture][1]}.weight").detach()


def last_linear_layer(module: torch.nn.Module) -> tuple[str, torch.nn.Linear]:
    """Find the linear layer that gives the logits, and its name within the module.

    torchvision's classifiers register it last. Raises EngineRefused where there is none, as in
    SqueezeNet.
    """
    linear = [
        (name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    if not linear:
        raise EngineRefused(f"{type(module).__name__} has no linear layer at its end.")
    return linear[-1]


class _Pair(torch.nn.Module):
    def __init__(self, extract: torch.nn.Module) -> None:
        super().__init__()
        self._extract = extract

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self._extract(pictures)
        return found["logits"], found["features"]


@cache
def _declare_missing_operators() -> torch.library.Library:
    """Declare the operators for as long as the process lives: the cache keeps the library."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _MISSING_OPERATORS:
        library.define(f"{operator}{_OPERATOR_SCHEMA}")  # type: ignore[no-untyped-call]
    return library
