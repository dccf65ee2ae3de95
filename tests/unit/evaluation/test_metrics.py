"""Accuracy, per-class numbers and the confusion matrix."""

import json

import numpy as np
import pytest

from tests.unit.evaluation.answer_sets import answer
from topfive.evaluation.metrics import Confusion, measure, rank_truths

CLASSES = ("cat", "dog", "emu")
# Three cats, of which one is taken for a dog; one dog, known; no emu.
ANSWERS = answer([0, 0, 0, 1], [0, 0, 1, 1])


def test_accuracy_is_the_share_that_is_right_with_its_wilson_interval():
    """The interval is Wilson's: 8 of 10 leave open what lies between 49 and 94 percent."""
    metrics = measure(answer([0] * 10, [0] * 8 + [1] * 2), CLASSES)
    assert metrics.top1.value == 0.8
    # Wilson 1927, by hand: (0.8 + z²/20 ± z √(0.016 + z²/400)) / (1 + z²/10) with z = 1.96.
    assert metrics.top1.low == pytest.approx(0.4902, abs=1e-4)
    assert metrics.top1.high == pytest.approx(0.9433, abs=1e-4)


def test_top_five_counts_the_truth_among_the_first_five():
    """A truth in fifth place is in, one in sixth is not."""
    probabilities = np.array([[0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0]] * 2, np.float32)
    made = answer([4, 5], [0, 0], classes=7)
    metrics = measure(
        type(made)(probabilities, made.truths, made.photos, made.inference_ms, made.total_ms),
        tuple("abcdefg"),
    )
    assert metrics.top1.value == 0
    assert metrics.top5.value == 0.5


def test_equal_probabilities_do_not_make_an_answer_right():
    """Where a model tells nothing apart, all but the first class are behind others."""
    same = np.full((3, 3), 1 / 3, np.float32)
    assert rank_truths(same, np.array([0, 1, 2])).tolist() == [0, 1, 2]


def test_each_class_has_precision_recall_and_f1():
    """Of three cats two are known, and of two dogs said one is: 2/3 and 1/2."""
    cat, dog = measure(ANSWERS, CLASSES).classes
    assert (cat.class_name, cat.count, cat.precision) == ("cat", 3, 1.0)
    assert cat.recall == pytest.approx(2 / 3)
    assert cat.f1 == pytest.approx(0.8)
    assert (dog.count, dog.precision, dog.recall) == (1, 0.5, 1.0)


def test_what_cannot_be_told_of_a_class_is_none():
    """A class that was never answered has no precision, one without photos no recall."""
    cat, dog = measure(answer([0, 0], [1, 1]), CLASSES).classes
    assert (cat.precision, cat.recall, cat.f1) == (None, 0.0, 0.0)
    assert (dog.count, dog.recall) == (0, None)


def test_a_class_without_photos_does_not_lower_the_means():
    """Means over classes are over those that have photos."""
    metrics = measure(answer([0, 0, 0, 0], [0, 0, 0, 1]), CLASSES)
    assert metrics.macro_recall == 0.75


def test_the_confusion_matrix_holds_what_is_not_empty():
    """Cells say how many photos of one class were taken for another, right ones included."""
    assert measure(ANSWERS, CLASSES).confusions == (
        Confusion(0, 0, 2),
        Confusion(0, 1, 1),
        Confusion(1, 1, 1),
    )


def test_latency_is_told_by_percentiles():
    """The middle and the slow end, in milliseconds, of inference and of all of it."""
    metrics = measure(answer([0] * 101, [0] * 101), CLASSES)
    assert metrics.inference_ms == {"mean": 51, "p50": 51, "p90": 91, "p95": 96, "p99": 100}
    assert metrics.total_ms["p50"] == 102


def test_the_document_is_json_and_names_no_photo():
    """What goes into a bundle says nothing of single photos."""
    text = json.dumps(measure(ANSWERS, CLASSES).to_document(), allow_nan=False)
    assert ".png" not in text
    document = json.loads(text)
    assert document["photos"] == 4
    assert document["top1"]["value"] == 0.75
    assert document["classes"][1]["class_name"] == "dog"
    assert sum(cell["count"] for cell in document["confusions"]) == 4


def test_the_summary_is_what_a_manifest_keeps():
    """The four numbers of the held-out photos have the names that a manifest gives them."""
    assert measure(ANSWERS, CLASSES).summary() == {
        "held_out_top1": 0.75,
        "held_out_top5": 1.0,
        "held_out_count": 4,
        "held_out_calibration_error": pytest.approx(0.15),
    }
