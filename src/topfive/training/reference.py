"""The reference's answers for the golden inputs: torch on the CPU, in f32 and in bf16."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GOLDEN_LOGITS_FILE,
    GoldenSection,
)
from topfive.classify.agreement import Logits
from topfive.classify.golden import (
    BF16_MAPS_TENSOR,
    BF16_TENSOR,
    F32_MAPS_TENSOR,
    F32_TENSOR,
    INPUTS,
    Pixels,
    ask_for_features,
    best_classes,
    make_inputs,
    weigh_features,
)
from topfive.classify.heatmap import ClassWeights
from topfive.engines.contract import EngineSource, FeaturedLogits
from topfive.engines.torch_engine import TorchEngine
from topfive.engines.torchvision_models import last_linear_layer
from topfive.errors import WeightsRefused
from topfive.training.golden import describe_golden

Tensors = dict[str, NDArray[np.float32]]


def write_reference(
    module: torch.nn.Module, source: EngineSource, labels: tuple[str, ...], folder: Path
) -> GoldenSection:
    """Write logits and class maps of the golden inputs made from the picture in `folder`.

    Returns what the manifest says of them. Raises WeightsRefused if the module gives values that
    are not numbers.
    """
    with Image.open(folder / GOLDEN_FILE) as picture:
        inputs = make_inputs(np.asarray(picture.convert("RGB")), INPUTS)
    ask = _ask_with_maps if source.features_output else _ask
    tensors = ask(module, source, inputs)
    save_file(tensors, folder / GOLDEN_LOGITS_FILE)
    return describe_golden(tensors[F32_TENSOR][0], labels)


def _ask(module: torch.nn.Module, source: EngineSource, inputs: Pixels) -> Tensors:
    engines = {one: TorchEngine(module, source, "cpu", one) for one in (F32_TENSOR, BF16_TENSOR)}
    return {
        precision: _finite(np.stack([engine.infer(one[np.newaxis]) for one in inputs]), precision)
        for precision, engine in engines.items()
    }


def _ask_with_maps(module: torch.nn.Module, source: EngineSource, inputs: Pixels) -> Tensors:
    f32, bf16 = (_featured(module, source, inputs, one) for one in (F32_TENSOR, BF16_TENSOR))
    rows = last_linear_layer(module)[1].weight.detach().numpy()
    best_ids = best_classes(np.stack([one.logits for one in f32]))
    exact, rounded = (weigh_features(one, ClassWeights(rows), best_ids) for one in (f32, bf16))
    tensors = {
        F32_TENSOR: exact.logits,
        BF16_TENSOR: rounded.logits,
        F32_MAPS_TENSOR: exact.maps,
        BF16_MAPS_TENSOR: rounded.maps,
    }
    return {name: one for name, one in tensors.items() if one is not None}


def _featured(
    module: torch.nn.Module, source: EngineSource, inputs: Pixels, precision: str
) -> list[FeaturedLogits]:
    featured = ask_for_features(TorchEngine(module, source, "cpu", precision), inputs)
    for one in featured:
        _finite(one.logits, precision)
    return featured


def _finite(logits: Logits, precision: str) -> Logits:
    if not np.isfinite(logits).all():
        raise WeightsRefused(
            f"The weights give values that are not numbers in {precision}: they are damaged, or of "
            "a training that failed."
        )
    return logits
