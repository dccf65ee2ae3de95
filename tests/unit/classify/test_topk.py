"""From logits to the best classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from topfive.classify.topk import softmax, top_classes
from topfive.predictions import ClassScore

LOGITS = arrays(np.float32, st.integers(1, 50), elements=st.floats(-500, 500, width=32))


def _labels(count: int) -> tuple[str, ...]:
    return tuple(f"label {number}" for number in range(count))


def test_softmax_of_known_logits():
    """Logits of 0, ln 2 and ln 5 are probabilities of one, two and five eighths."""
    probabilities = softmax(np.log(np.array([1, 2, 5], np.float32)))
    assert probabilities.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])


@given(LOGITS)
def test_softmax_is_a_distribution(logits):
    """Whatever the logits, however large, probabilities are finite, add up to 1 and keep order."""
    probabilities = softmax(logits)
    assert np.isfinite(probabilities).all()
    assert probabilities.min() >= 0
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert probabilities[logits.argmax()] == probabilities.max()


def test_the_best_classes_come_first_with_their_names():
    """Each class keeps its own number and name."""
    probabilities = np.array([0.1, 0.6, 0.05, 0.25], np.float32)
    assert top_classes(probabilities, ("a", "b", "c", "d"), 3) == (
        ClassScore(1, "b", pytest.approx(0.6)),
        ClassScore(3, "d", pytest.approx(0.25)),
        ClassScore(0, "a", pytest.approx(0.1)),
    )


def test_asking_for_more_than_there_is_gives_all():
    """A model of three classes answers with three, whatever was asked."""
    found = top_classes(np.array([0.2, 0.3, 0.5], np.float32), ("a", "b", "c"), 100)
    assert [one.class_name for one in found] == ["c", "b", "a"]


def test_one_class_is_enough():
    """A model of one class always answers with it."""
    assert top_classes(np.ones(1, np.float32), ("only",), 5) == (ClassScore(0, "only", 1.0),)


def test_ties_give_distinct_classes():
    """Classes of equal probability each appear once."""
    found = top_classes(np.full(10, 0.1, np.float32), _labels(10), 10)
    assert sorted(one.class_id for one in found) == list(range(10))


def test_of_equal_classes_the_lower_id_comes_first():
    """The order of an answer never hangs on how the best were picked."""
    found = top_classes(np.array([0.2, 0.3, 0.0, 0.2, 0.3], np.float32), tuple("abcde"), 5)
    assert [one.class_id for one in found] == [1, 4, 0, 3, 2]
    assert str(found[-1].confidence) == "0.0"


@given(LOGITS, st.integers(1, 100))
def test_no_class_left_out_is_better(logits, top_k):
    """The answer is sorted, and nothing outside it beats anything inside."""
    probabilities = softmax(logits)
    found = top_classes(probabilities, _labels(len(logits)), top_k)
    scores = [one.confidence for one in found]
    ids = [one.class_id for one in found]
    assert len(set(ids)) == len(ids) == min(top_k, len(logits))
    assert scores == sorted(scores, reverse=True)
    assert scores == sorted(probabilities.tolist(), reverse=True)[: len(scores)]
    assert all(isinstance(one, int) for one in ids)


def test_what_travels_to_json_is_plain():
    """Numbers are Python's own, so that any serialiser takes them."""
    (best,) = top_classes(np.array([0.9, 0.1], np.float32), ("a", "b"), 1)
    assert type(best.class_id) is int
    assert type(best.confidence) is float
