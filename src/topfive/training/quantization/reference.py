"""What a bundle's int8 graph gives for the golden inputs where it is computed in f32."""

from pathlib import Path

from safetensors.numpy import load_file, save_file

from topfive.bundles.manifest import GOLDEN_LOGITS_FILE
from topfive.classify.golden import INT8_MAPS_TENSOR, INT8_TENSOR, GoldenAnswers, Reference
from topfive.engines import SIMULATED_INT8, EngineCandidate, EngineSource, open_engine


def add_int8_reference(reference: Reference, source: EngineSource, folder: Path) -> GoldenAnswers:
    """Add to the golden tensors in `folder` what the int8 graph of `source` gives.

    Every engine's int8 is held against that: it depends on no processor. Returns it. Raises
    EngineRefused.
    """
    candidate = EngineCandidate("openvino", SIMULATED_INT8, "what int8 is held against")
    engine = open_engine(source, candidate, 1)
    try:
        answers = reference.ask(engine)
    finally:
        engine.close()
    path = folder / GOLDEN_LOGITS_FILE
    tensors = load_file(path) | {INT8_TENSOR: answers.logits}
    if answers.maps is not None:
        tensors[INT8_MAPS_TENSOR] = answers.maps
    save_file(tensors, path)
    return answers
