"""torchvision's classifiers by name, with no weights in them."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch

from topfive.engines.architectures import ARCHITECTURES, KNOWN_ARCHITECTURES, fixed_options
from topfive.errors import EngineRefused

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

    Raises EngineRefused if the architecture is not known, or cannot be built with these options.
    """
    if architecture not in ARCHITECTURES:
        raise EngineRefused(
            f"The architecture {architecture!r} is not known. Known: {KNOWN_ARCHITECTURES}."
        )
    constructor: Any = getattr(import_torchvision().models, architecture)
    given = fixed_options(architecture) | dict(options)
    try:
        module: torch.nn.Module = constructor(weights=None, num_classes=classes, **given)
    except (TypeError, ValueError, AssertionError) as error:
        raise EngineRefused(f"{architecture} cannot be built with {given}: {error}.") from error
    return module


def load_weights(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy named tensors into a module; raises RuntimeError if they do not fit.

    What is read from a file has lost which form of the module it is of; it is that of now.
    """
    state_dict = module.state_dict()
    versions = state_dict._metadata  # type: ignore[attr-defined]
    state_dict.clear()
    state_dict.update(tensors)
    state_dict._metadata = versions  # type: ignore[attr-defined]
    module.load_state_dict(state_dict)


def last_linear_layer(module: torch.nn.Module) -> tuple[str, torch.nn.Linear]:
    """Find the linear layer that gives the logits, and its name within the module.

    Raises EngineRefused where there is none, as in SqueezeNet.
    """
    name, layer = scoring_layer(module)
    if not isinstance(layer, torch.nn.Linear):
        raise EngineRefused(f"{type(module).__name__} has no linear layer at its end.")
    return name, layer


def scoring_layer(module: torch.nn.Module) -> tuple[str, torch.nn.Linear | torch.nn.Conv2d]:
    """Find the layer that gives a score for each class, and its name within the module.

    torchvision's classifiers register it last. It is linear; SqueezeNet's is a convolution.
    """
    layers = [
        (name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    return layers[-1]


@cache
def _declare_missing_operators() -> torch.library.Library:
    """Declare the operators for as long as the process lives: the cache keeps the library."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _MISSING_OPERATORS:
        library.define(f"{operator}{_OPERATOR_SCHEMA}")  # type: ignore[no-untyped-call]
    return library
