"""A model's graph in OpenVINO: one input of pictures, one output of logits, fixed shapes."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from topfive.engines.quiet_openvino import openvino as ov
from topfive.errors import LabelsRefused
from topfive.training.importing.refusals import cause_of, refuse

Layout = Literal["nchw", "nhwc"]

_INPUT_TYPES = {"f32", "f16", "u8"}
# What changes the form of numbers, and not what they are.
_SHAPING = {"Reshape", "Squeeze", "Unsqueeze", "Convert"}
_SHOWN = 4

# Of what is less likely than that no logarithm is taken.
LEAST_PROBABILITY = np.float32(1e-30)


@dataclass(frozen=True, slots=True)
class InputForm:
    """What a graph takes: `side` is its width and height in pixels, None where any will do."""

    layout: Layout
    element_type: str
    side: int | None

    def shape(self, side: int) -> list[int]:
        """Give the shape of one picture of side x side."""
        return [1, 3, side, side] if self.layout == "nchw" else [1, side, side, 3]


@dataclass(frozen=True, slots=True)
class Scores:
    """Where a graph has a number for each class, and the name of this place in the model's file.

    `is_before_softmax` where the file has a softmax behind it.
    """

    output: Any
    name: str
    is_before_softmax: bool


def read_graph(path: Path) -> Any:
    """Have OpenVINO read a file; raises WeightsRefused with what it says."""
    try:
        graph: Any = ov.Core().read_model(path)
    except (RuntimeError, UnicodeDecodeError) as error:
        raise refuse(path, f"cannot be read by OpenVINO: {cause_of(error)}") from error
    if graph.get_sinks() or graph.get_variables():
        raise refuse(path, "keeps a state from one picture to the next, which no classifier does.")
    return graph


def find_input(path: Path, graph: Any, layout: Layout | None) -> InputForm:
    """Tell what a graph takes; raises WeightsRefused where that is not one RGB picture."""
    if len(graph.inputs) != 1:
        names = _list([one.get_any_name() if one.get_names() else "?" for one in graph.inputs])
        raise refuse(
            path, f"takes {len(graph.inputs)} inputs ({names}), and a picture is one: export it so."
        )
    shape, element_type = graph.input(0).get_partial_shape(), graph.input(0).get_element_type()
    told = f"takes {element_type.get_type_name()} of shape {_told(shape)}"
    if element_type.get_type_name() not in _INPUT_TYPES:
        raise refuse(path, f"{told}; f32, f16 and u8 can be imported.")
    if shape.rank.is_dynamic or len(shape) != 4:
        raise refuse(path, f"{told}, which is no picture: four dimensions are needed.")
    lengths = [one.get_length() if one.is_static else None for one in shape]
    layout = layout or _tell_layout(lengths)
    if layout is None:
        raise refuse(path, f"{told}: give --layout nchw or nhwc, as it does not tell.")
    channels, height, width = _take_apart(lengths, layout)
    if channels not in (3, None):
        raise refuse(path, f"{told}: {channels} channels, and pictures have 3 (--layout {layout}).")
    if height != width:
        raise refuse(path, f"{told}: pictures are prepared as squares (--layout {layout}).")
    return InputForm(layout, element_type.get_type_name(), height)


def fix_shape(path: Path, graph: Any, shape: Sequence[int]) -> None:
    """Have a graph take one picture of that shape; raises WeightsRefused if it cannot."""
    try:
        graph.reshape({graph.input(0): list(shape)})
    except RuntimeError as error:
        raise refuse(
            path, f"cannot take one picture of {max(shape)} pixels: {cause_of(error)}"
        ) from error


def find_scores(
    path: Path, graph: Any, labels_file: Path, classes: int, known: Container[str] | None
) -> Scores:
    """Find where a graph of fixed shapes has a number for each class, before a softmax at its end.

    Only a place with one of the `known` names is taken; None: any is. Raises LabelsRefused if no
    output has as many numbers, WeightsRefused if several have, or if each class is scored on its
    own.
    """
    output = _choose_output(path, graph, labels_file, classes)
    last = _before_shaping(output.get_node().input_value(0))
    kind = last.get_node().get_type_name()
    if kind == "Sigmoid":
        raise refuse(
            path,
            "ends in a sigmoid, which scores each class on its own; the confidences here are "
            "shares of one whole. Export it without, if one class is meant.",
        )
    if kind == "Softmax" and _is_over_classes(last, classes):
        before = last.get_node().input_value(0)
        name = _pick(_names_of(before), known)
        if name is not None:
            return Scores(before, name, is_before_softmax=True)
    given = output.get_node().input_value(0)
    return Scores(given, _pick(sorted(output.get_names()), known) or "", is_before_softmax=False)


def take_logarithm(scores: Any) -> Any:
    """Make logits of probabilities: softmax gives these back."""
    operators = ov.opset13
    values = operators.convert(scores, ov.Type.f32)
    return operators.log(operators.maximum(values, LEAST_PROBABILITY)).output(0)


def end_at(graph: Any, logits: Any, classes: int) -> Any:
    """Make a graph that gives logits (1, classes) in f32, and nothing else."""
    operators = ov.opset13
    flat = operators.reshape(logits, [1, classes], special_zero=False)
    result = operators.result(operators.convert(flat, ov.Type.f32))
    result.output(0).set_names({"logits"})
    return ov.Model([result], graph.get_parameters(), "classifier")


def _choose_output(path: Path, graph: Any, labels_file: Path, classes: int) -> Any:
    shapes = [one.get_partial_shape() for one in graph.outputs]
    sizes = [prod(one.to_shape()) if one.is_static else None for one in shapes]
    fitting = [one for one, size in zip(graph.outputs, sizes, strict=True) if size == classes]
    if len(fitting) == 1:
        return fitting[0]
    told = _list(
        [
            f"{size} numbers" if size else _told(shape)
            for shape, size in zip(shapes, sizes, strict=True)
        ]
    )
    if fitting:
        raise refuse(
            path,
            f"has several outputs of {classes} numbers (of all: {told}), and one is meant: export "
            "it with that alone.",
        )
    raise LabelsRefused(
        f"{labels_file} has {classes} names, and {path} gives {told} for a picture: there must be "
        "a name for each number, in the same order."
    )


def _pick(names: Sequence[str], known: Container[str] | None) -> str | None:
    """Pick the first of the names that is known; None without one, and any where `known` is."""
    if known is None:
        return names[0] if names else ""
    return next((one for one in names if one in known), None)


def _before_shaping(output: Any) -> Any:
    """Go back over what only changes the form of numbers."""
    while output.get_node().get_type_name() in _SHAPING:
        output = output.get_node().input_value(0)
    return output


def _names_of(output: Any) -> list[str]:
    """List the names of numbers, and then those that they have in another form before."""
    names = sorted(output.get_names())
    while output.get_node().get_type_name() in _SHAPING:
        output = output.get_node().input_value(0)
        names += sorted(output.get_names())
    return names


def _is_over_classes(output: Any, classes: int) -> bool:
    shape, node = output.get_partial_shape(), output.get_node()
    return bool(shape.is_static and shape.to_shape()[node.get_attributes()["axis"]] == classes)


def _tell_layout(lengths: Sequence[int | None]) -> Layout | None:
    if lengths[1] in (1, 3):
        return "nchw"
    return "nhwc" if lengths[3] in (1, 3) else None


def _take_apart(lengths: Sequence[int | None], layout: Layout) -> tuple[int | None, ...]:
    """Give channels, height and width."""
    if layout == "nchw":
        return tuple(lengths[1:])
    return lengths[3], lengths[1], lengths[2]


def _told(shape: Any) -> str:
    return str(shape).replace(",", ", ")


def _list(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
