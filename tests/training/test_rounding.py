"""What bf16 costs is computed in f32, alike on every processor."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.engines.quiet_openvino import openvino as ov
from topfive.training.importing.reference import ask_openvino
from topfive.training.importing.rounding import round_products


def round_to_bf16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the nearest number of 8 binary digits, by the bits of f32."""
    bits = values.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def test_inputs_of_products_are_rounded_to_bf16() -> None:
    """A product with ones gives the numbers themselves: as bf16 has them, and no others."""
    count = 64
    operators = ov.opset13
    taken = operators.parameter([1, count], ov.Type.f32)
    ones = operators.constant(np.eye(count, dtype=np.float32))
    graph = ov.Model([operators.matmul(taken, ones, False, False)], [taken], "ones")
    random = np.random.default_rng(0)
    values = (random.standard_normal((5, count)) * 10.0 ** random.integers(-6, 6, (5, 1))).astype(
        np.float32
    )
    answers = ask_openvino(Path("ones"), round_products(graph), values)
    assert np.array_equal(answers, round_to_bf16(values))
    assert np.array_equal(ask_openvino(Path("ones"), graph, values), values)
