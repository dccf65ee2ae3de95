"""The reference's answers for the golden inputs: torch on the CPU, in f32 and in bf16."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GOLDEN_LOGITS_FILE,
    GoldenSection,
)
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
from topfive.engines.torchvision_models import linear_weights
from topfive.errors import WeightsRefused
from topfive.training.golden import describe_golden


def write_reference(
    module: torch.nn.Module, source: EngineSource, labels: tuple[str, ...], folder: Path
) -> GoldenSection:
    """Write logits and class maps of the golden inputs made from the picture in `folder`.

    Returns what the manifest says of them. Raises WeightsRefused if the module gives values that
    are not numbers.
    """
    with Image.open(folder / GOLDEN_FILE) as picture:
        inputs = make_inputs(np.asarray(picture.convert("RGB")), INPUTS)
    f32, bf16 = (_featured(module, source, inputs, precision) for precision in ("f32", "bf16"))
    rows = linear_weights(module, source.architecture).numpy()
    best_ids = best_classes(np.stack([one.logits for one in f32]))
    exact, rounded = (weigh_features(one, ClassWeights(rows), best_ids) for one in (f32, bf16))
    tensors = {
        F32_TENSOR: exact.logits,
        BF16_TENSOR: rounded.logits,
        F32_MAPS_TENSOR: exact.maps,
        BF16_MAPS_TENSOR: rounded.maps,
    }
    save_file(tensors, folder / GOLDEN_LOGITS_FILE)
    return describe_golden(exact.logits[0], labels)


def _featured(
    module: torch.nn.Module, source: EngineSource, inputs: Pixels, precision: str
) -> list[FeaturedLogits]:
    featured = ask_for_features(TorchEngine(module, source, "cpu", precision), inputs)
    if not all(np.isfinite(one.logits).all() for one in featured):
        raise WeightsRefused(
            f"The weights give values that are not numbers in {precision}: they are damaged, or of "
            "a training that failed."
        )
    return featured
