"""Whether an engine's logits are the reference's, but for the rounding of its precision.

Logits are compared and not confidences: where classes are close, softmax makes a large difference
out of a small one. They are centred, because adding one number to all logits changes no answer.

What rounding costs depends on the model and on the picture far more than on the engine: bf16 moves
the logits of one model by 0.4 percent and those of another by 20. So it is measured where a bundle
is made: the reference answers in f32 and once more in bf16, and an engine's error is counted in
multiples of the reference's own bf16 error. What int8 costs has little to do with that: there the
unit is the error that the int8 graph itself has. `docs/decisions/0011-the-golden-check.md` has the
measurements behind the bounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Maps = NDArray[np.float32]
_Numbers = NDArray[np.float64]

# Half a unit in the last of bf16's 8 binary digits: no model's bf16 error is taken to be smaller.
_LEAST_ROUNDING = 2.0**-9
# A model of one class, or of an empty last layer, has no differences between classes to divide by.
_LEAST_NORM = 1e-30


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most error in multiples of the reference's own in bf16, and the least correlation.

    `inputs` bounds the relative error of the middle one of all inputs, `classes` the error of the
    worst class over all inputs. `correlation` holds whatever the reference's own rounding is.
    """

    inputs: float
    classes: float
    correlation: float


# The name of the bounds for bf16 where the same graph, in f32, agrees with the reference.
RIGHT_IN_F32 = "bf16, right in f32"
# An engine that computes a bundle's int8 graph is held against that graph's own error.
INT8 = "int8"

# Measured on MobileNetV2, ResNet-50, the tests' tiny model and the digits; see the decision.
BOUNDS = {
    # Sums in another order: 0.0002. Weights that are stored in f16, as those of the digits: 0.11.
    "f32": Bounds(inputs=0.25, classes=0.25, correlation=0.999),
    # Three more binary digits than bf16, which is an eighth of its error: 0.09 to 0.3.
    "f16": Bounds(inputs=0.5, classes=0.5, correlation=0.99),
    # Engines round after other layers than the reference: inputs 0.8 to 1.36, classes 0.9 to 1.46.
    "bf16": Bounds(inputs=1.5, classes=1.6, correlation=0.95),
    # Of few classes, chance alone takes sound engines beyond these: 99 of 100 stay below 5.2 and
    # 3.9. Such an engine may serve where the same graph was found right in f32.
    RIGHT_IN_F32: Bounds(inputs=6, classes=6, correlation=0.95),
    # Not of bf16's error but of the int8 graph's own, computed in f32: inputs 0.93 to 1.15, classes
    # 0.91 to 1.53; of few classes 98 in 100 stay below 2. Where sums overflow, as they may without
    # VNNI: 1.08 to 2.8 and 0.99 to 5.7.
    INT8: Bounds(inputs=2, classes=2, correlation=0.9),
}


def find_disagreement(logits: Logits, reference: Logits, rounded: Logits, bound: str) -> str:
    """Say how logits differ from the reference by more than rounding does, or nothing.

    All three are of shape (inputs, classes); `rounded` is the reference in bf16, or the int8 graph
    computed in f32. `bound` names one of BOUNDS. What is said is public.
    """
    bounds = BOUNDS[bound]
    found, expected, own = (_centred(one) for one in (logits, reference, rounded))
    over_inputs = float(np.median(_input_errors(found, expected, own)))
    over_classes = _class_error(found, expected, own)
    correlation = _correlation(found, expected)
    if over_inputs > bounds.inputs:
        return _excess("logits are", over_inputs, bounds.inputs, bound)
    if over_classes > bounds.classes:
        return _excess("worst class is", over_classes, bounds.classes, bound)
    if correlation < bounds.correlation:
        return (
            f"their correlation with the reference's is {correlation:.4f}, and {bound} needs "
            f"{bounds.correlation} at least."
        )
    return ""


def find_map_disagreement(maps: Maps, reference: Maps, rounded: Maps, bound: str) -> str:
    """Say how class maps differ from the reference's by more than rounding does, or nothing.

    All three are of shape (inputs, height, width); `bound` names one of BOUNDS, of which twice as
    much is allowed here. What is said is public.
    """
    found, expected, inexact = (one.astype(np.float64) for one in (maps, reference, rounded))
    norm = max(float(np.linalg.norm(expected)), _LEAST_NORM)
    own = max(float(np.linalg.norm(inexact - expected)) / norm, _LEAST_ROUNDING)
    error = float(np.linalg.norm(found - expected)) / norm / own
    # Sound engines reach 1.2 in bf16 and 0.1 in f32; places that changed places begin at 3.8.
    most = 2 * BOUNDS[bound].inputs
    return _excess("heatmaps are", error, most, bound) if error > most else ""


def _excess(what: str, times: float, most: float, bound: str) -> str:
    unit = "the graph's own error" if bound == INT8 else "the reference's own error in bf16"
    return f"its {what} off by {times:.2f} times {unit}, and {most:g} is the most allowed."


def _centred(logits: Logits) -> _Numbers:
    exact = logits.astype(np.float64)
    centred: _Numbers = exact - exact.mean(axis=1, keepdims=True)
    return centred


def _input_errors(found: _Numbers, expected: _Numbers, rounded: _Numbers) -> _Numbers:
    """Give each input's relative error in multiples of the reference's own in bf16: (inputs,)."""
    own = _relative_errors(rounded, expected)
    errors: _Numbers = _relative_errors(found, expected) / np.maximum(own, _LEAST_ROUNDING)
    return errors


def _relative_errors(found: _Numbers, expected: _Numbers) -> _Numbers:
    norms = np.maximum(np.linalg.norm(expected, axis=1), _LEAST_NORM)
    errors: _Numbers = np.linalg.norm(found - expected, axis=1) / norms
    return errors


def _class_error(found: _Numbers, expected: _Numbers, rounded: _Numbers) -> float:
    """Give the worst class's error over all inputs, in multiples of the reference's own in bf16."""
    scale = max(_size(expected), _LEAST_NORM)
    own = max(_worst_class(rounded, expected) / scale, _LEAST_ROUNDING)
    return _worst_class(found, expected) / scale / own


def _worst_class(found: _Numbers, expected: _Numbers) -> float:
    return float(np.sqrt(np.square(found - expected).mean(axis=0)).max())


def _size(logits: _Numbers) -> float:
    return float(np.sqrt(np.square(logits).mean()))


def _correlation(found: _Numbers, expected: _Numbers) -> float:
    norms = float(np.linalg.norm(found) * np.linalg.norm(expected))
    return float((found * expected).sum()) / norms if norms else float(not expected.any())
