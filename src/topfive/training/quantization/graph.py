"""A graph in int8, made by NNCF: weights and activations in 8 bits, by what pictures need."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from topfive.classify.classifier import Pixels

# Before NNCF, which would import OpenVINO with its telemetry.
from topfive.engines.quiet_openvino import openvino as ov
from topfive.errors import QuantizationRefused
from topfive.training.graph_files import save_graph

# What attention is made of: such networks are quantized by rules of their own.
_ATTENTION = {"ScaledDotProductAttention", "Softmax"}


def quantize_graph(
    graph_file: Path, target: Path, pictures: Sequence[Any], prepare: Callable[[Any], Pixels]
) -> None:
    """Write a graph in int8, calibrated on pictures that `prepare` makes (1, side, side, 3) of.

    Weights have a scale for each output channel, symmetric around zero; activations have one for
    each layer, not symmetric, which networks without ReLU need. Source: NNCF's preset MIXED,
    https://docs.openvino.ai, "Basic Quantization Flow". Raises QuantizationRefused if NNCF can make
    nothing of the graph.
    """
    nncf = _import_nncf()
    graph = ov.Core().read_model(graph_file)
    # Its bars belong where a person sees them: standard output is for what the command made.
    with _bars_on_standard_error():
        try:
            quantized = nncf.quantize(
                graph,
                nncf.Dataset(pictures, prepare),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(pictures),
                model_type=nncf.ModelType.TRANSFORMER if _has_attention(graph) else None,
            )
        except (RuntimeError, nncf.ValidationError, nncf.InternalError) as error:
            raise QuantizationRefused(
                f"NNCF cannot quantize the graph {graph_file.name}: {error}"
            ) from error
    if not any(one.get_type_name() == "FakeQuantize" for one in quantized.get_ops()):
        raise QuantizationRefused(f"NNCF found nothing to quantize in {graph_file.name}.")
    # In f16 the scales would be rounded, for some kB.
    save_graph(quantized, target)


def _has_attention(graph: Any) -> bool:
    return any(one.get_type_name() in _ATTENTION for one in graph.get_ops())


def _import_nncf() -> Any:
    import nncf  # noqa: PLC0415 - takes a second, and is an extra

    nncf.set_log_level(logging.ERROR)
    return nncf


@contextmanager
def _bars_on_standard_error() -> Iterator[None]:
    if sys.stderr.isatty():
        with redirect_stdout(sys.stderr):
            yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield
