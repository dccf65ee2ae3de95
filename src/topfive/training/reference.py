"""The reference's answers for the golden inputs: torch on the CPU, in f32 and in bf16."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file

from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GOLDEN_LOGITS_FILE,
    MANIFEST_FILE,
    GoldenClass,
    GoldenSection,
)
from topfive.bundles.store import Bundle, hash_file
from topfive.classify.agreement import Logits
from topfive.classify.classifier import engine_source
from topfive.classify.golden import BF16_TENSOR, F32_TENSOR, INPUTS, Pixels, make_inputs
from topfive.classify.topk import softmax, top_classes
from topfive.engines.contract import EngineSource
from topfive.engines.torch_engine import TorchEngine
from topfive.engines.torchvision_models import build_module
from topfive.errors import WeightsRefused


def write_reference(
    module: torch.nn.Module, source: EngineSource, labels: tuple[str, ...], folder: Path
) -> GoldenSection:
    """Write the logits of the golden inputs made from the picture in `folder`; returns the rest.

    Raises WeightsRefused if the module gives values that are not numbers.
    """
    with Image.open(folder / GOLDEN_FILE) as picture:
        inputs = make_inputs(np.asarray(picture.convert("RGB")), INPUTS)
    f32, bf16 = (_answer(module, source, inputs, precision) for precision in ("f32", "bf16"))
    save_file({F32_TENSOR: f32, BF16_TENSOR: bf16}, folder / GOLDEN_LOGITS_FILE)
    (folder / GOLDEN_LOGITS_FILE).chmod(0o644)
    best = top_classes(softmax(f32[0]), labels, 5)
    return GoldenSection(
        top_five=tuple(
            GoldenClass(class_id=one.class_id, confidence=round(one.confidence, 6)) for one in best
        ),
        inputs=INPUTS,
    )


def renew_reference(bundle: Bundle) -> None:
    """Write a bundle's golden logits again from its weights, all else in it left as it is.

    For the shipped bundle, where the golden inputs change: its weights need no training again.
    """
    source = engine_source(bundle)
    module = build_module(source.architecture, source.architecture_options, source.classes)
    module.load_state_dict(load_file(source.weights_file))
    golden = write_reference(module.float(), source, bundle.labels, bundle.folder)
    hashes = {GOLDEN_LOGITS_FILE: hash_file(bundle.folder / GOLDEN_LOGITS_FILE)}
    files = dict(sorted((bundle.manifest.files | hashes).items()))
    renewed = bundle.manifest.model_copy(update={"golden": golden, "files": files})
    text = renewed.model_dump_json(indent=2) + "\n"
    (bundle.folder / MANIFEST_FILE).write_text(text, "utf-8")


def _answer(
    module: torch.nn.Module, source: EngineSource, inputs: Pixels, precision: str
) -> Logits:
    engine = TorchEngine(module, source, "cpu", precision)
    logits = np.stack([engine.infer(one[np.newaxis]) for one in inputs])
    if not np.isfinite(logits).all():
        raise WeightsRefused(
            f"The weights give values that are not numbers in {precision}: they are damaged, or of "
            "a training that failed."
        )
    return logits
