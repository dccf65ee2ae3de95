"""torchvision's architectures by name, with no weights in them."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch

from topfive.engines.architectures import ARCHITECTURES
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

    Raises EngineRefused if the architecture is not known.
    """
    if architecture not in ARCHITECTURES:
        raise EngineRefused(
            f"The architecture {architecture!r} is not known. Known: {', '.join(ARCHITECTURES)}."
        )
    constructor: Any = getattr(import_torchvision().models, architecture)
    module: torch.nn.Module = constructor(weights=None, num_classes=classes, **options)
    return module


@cache
def _declare_missing_operators() -> torch.library.Library:
    """Declare the operators for as long as the process lives: the cache keeps the library."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _MISSING_OPERATORS:
        library.define(f"{operator}{_OPERATOR_SCHEMA}")  # type: ignore[no-untyped-call]
    return library
