"""How far an engine's logits may be from the reference's, on made-up numbers."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.classify.agreement import BOUNDS, RIGHT_IN_F32, find_disagreement

INPUTS, CLASSES = 7, 1000


def _normal(seed: int, scale: float = 1.0) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(0, scale, (INPUTS, CLASSES))
    return numbers.astype(np.float32)


REFERENCE = _normal(0, 3)
ROUNDED = REFERENCE + _normal(1, 0.3)


@pytest.mark.parametrize("precision", BOUNDS)
def test_the_reference_agrees_with_itself(precision):
    """Equal logits agree in every precision, and so do those with a number added to them all."""
    assert find_disagreement(REFERENCE, REFERENCE, ROUNDED, precision) == ""
    assert find_disagreement(REFERENCE + 5, REFERENCE, ROUNDED, precision) == ""


def test_as_much_rounding_as_the_reference_itself_has_is_bf16():
    """Other errors of the same size agree in bf16 and int8, and are too much for f32 and f16."""
    found = REFERENCE + _normal(2, 0.3)
    verdicts = [bool(find_disagreement(found, REFERENCE, ROUNDED, one)) for one in BOUNDS]
    assert dict(zip(BOUNDS, verdicts, strict=True)) == {
        "f32": True, "f16": True, "bf16": False, RIGHT_IN_F32: False, "int8": False,
    }  # fmt: skip


def test_more_than_the_references_own_rounding_is_refused():
    """Twice the reference's own error is too much for bf16, and both numbers are told."""
    problem = find_disagreement(REFERENCE + _normal(2, 0.6), REFERENCE, ROUNDED, "bf16")
    assert re.match(r"its logits are off by (1\.9|2\.0)", problem)
    assert problem.endswith("times the reference's own error in bf16, and 1.5 is the most allowed.")


@pytest.mark.parametrize(("times", "is_refused"), [(2, False), (5, False), (7, True)])
def test_more_is_forgiven_where_the_graph_is_right_in_f32(times, is_refused):
    """What bf16 alone is refused for may be chance; several times as much is not."""
    found = REFERENCE + _normal(2, 0.3 * times) / 5
    rounded = REFERENCE + _normal(1, 0.3) / 5
    assert find_disagreement(found, REFERENCE, rounded, "bf16")
    assert bool(find_disagreement(found, REFERENCE, rounded, RIGHT_IN_F32)) is is_refused


@pytest.mark.parametrize("precision", ["f32", "f16", "bf16"])
def test_two_classes_that_changed_places_are_refused(precision):
    """One pair among a thousand classes hardly changes the whole, and is seen all the same."""
    found = ROUNDED.copy() if precision == "bf16" else REFERENCE.copy()
    found[:, [3, 4]] = found[:, [4, 3]]
    problem = find_disagreement(found, REFERENCE, ROUNDED, precision)
    assert ("worst class" if precision == "bf16" else "times the reference") in problem


def test_a_model_that_bf16_ruins_is_refused_in_bf16():
    """However much the reference itself loses by rounding, the logits must look like its own."""
    ruined = REFERENCE + _normal(1, 3)
    problem = find_disagreement(REFERENCE + _normal(2, 3), REFERENCE, ruined, "bf16")
    assert problem.startswith("their correlation with the reference's is 0.7")
    assert "0.95 at least" in problem


def test_rounding_is_never_taken_to_be_nothing():
    """Where the reference's bf16 answers happen to be exact, half a unit of bf16 is allowed for."""
    found = REFERENCE * (1 + 2.0**-10)
    assert find_disagreement(found, REFERENCE, REFERENCE, "bf16") == ""
    assert find_disagreement(REFERENCE * 1.01, REFERENCE, REFERENCE, "bf16") != ""


def test_one_class_has_nothing_to_compare():
    """A model of one class is always sure; whatever its logit is, it agrees."""
    ones = np.ones((INPUTS, 1), np.float32)
    assert find_disagreement(ones * 3, ones, ones, "f32") == ""


def test_a_reference_that_says_nothing_is_not_agreed_with_by_one_that_does():
    """Where the reference finds all classes alike, an engine that does not is refused."""
    flat = np.zeros((INPUTS, CLASSES), np.float32)
    assert find_disagreement(flat, flat, flat, "f32") == ""
    assert find_disagreement(REFERENCE, flat, flat, "f32") != ""


@given(st.integers(0, 1000), st.floats(0.001, 1000), st.sampled_from(sorted(BOUNDS)))
def test_the_unit_of_logits_does_not_matter(seed, scale, precision):
    """The verdict is of proportions: all logits times a factor are judged alike."""
    found = REFERENCE + _normal(seed, 0.45)
    plain = find_disagreement(found, REFERENCE, ROUNDED, precision)
    unit = np.float32(2.0 ** round(np.log2(scale)))
    assert find_disagreement(found * unit, REFERENCE * unit, ROUNDED * unit, precision) == plain
