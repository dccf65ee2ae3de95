"""The graph as it is served: uint8 RGB pixels of shape (1, side, side, 3) in, logits out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.engines.quiet_openvino import openvino as ov
from topfive.input_recipe import InputRecipe
from topfive.training.importing.graph import InputForm, Layout
from topfive.training.importing.recipe import ImportRecipe

_DTYPES: dict[str, Any] = {"f32": np.float32, "f16": np.float16, "u8": np.uint8}


def prepare_values(
    pictures: NDArray[np.uint8], form: InputForm, wants: ImportRecipe, recipe: InputRecipe
) -> NDArray[Any]:
    """Make of pixels (n, side, side, 3) what the model itself takes, without its graph's help."""
    values: NDArray[Any] = pictures
    if form.element_type != "u8":
        mean, std = (np.array(one, np.float32) for one in (recipe.mean, recipe.std))
        values = (pictures.astype(np.float32) / 255 - mean) / std
    if wants.channels == "bgr":
        values = values[..., ::-1]
    if form.layout == "nchw":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, dtype=_DTYPES[form.element_type])


def take_pixels(graph: Any, layout: Layout, wants: ImportRecipe, recipe: InputRecipe) -> Any:
    """Make a graph that takes pixels, and brings them to what the model takes by itself."""
    steps = ov.preprocess.PrePostProcessor(graph)
    takes_bytes = graph.input(0).get_element_type() == ov.Type.u8
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout(layout.upper()))
    if not takes_bytes:
        steps.input().preprocess().convert_element_type(ov.Type.f32).mean(
            [255 * value for value in recipe.mean]
        ).scale([255 * value for value in recipe.std])
    if wants.channels == "bgr":
        steps.input().preprocess().reverse_channels()
    return steps.build()
