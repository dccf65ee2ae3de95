"""The photos that a model gets wrong."""

import json

from tests.unit.evaluation.answer_sets import answer, evaluation
from topfive.evaluation.evaluation import hold_against, short_titles
from topfive.evaluation.wrong_answers import worst_answers, wrong_alone

FIRST = evaluation(answer([0, 0, 1, 2], [1, 0, 2, 0], [0.5, 0.9, 0.8, 0.6]))
SECOND = evaluation(answer([0, 0, 1, 2], [0, 0, 2, 2]), version="2.0.0")


def test_the_surest_mistakes_come_first():
    """A wrong answer has its photo, what was said and what was true, and how sure the model was."""
    worst = worst_answers(FIRST, 2)
    assert [one.photo.path.name for one in worst] == ["2.png", "3.png"]
    assert (worst[0].truth, worst[0].prediction) == ("dog", "emu")
    assert round(worst[0].confidence, 3) == 0.8
    assert round(worst[0].truth_confidence, 3) == 0.1


def test_right_answers_are_no_mistakes():
    """However many are asked for, only wrong ones are listed."""
    assert len(worst_answers(FIRST, 100)) == 3


def test_mistakes_that_one_model_alone_makes():
    """Photos that both get wrong are not among them."""
    assert [one.photo.path.name for one in wrong_alone(FIRST, SECOND, 9)] == ["3.png", "0.png"]
    assert wrong_alone(SECOND, FIRST, 9) == []


def test_a_mistake_as_json_names_its_file():
    """Who asks for JSON can find the photo."""
    document = json.loads(json.dumps(worst_answers(FIRST, 1)[0].to_document()))
    assert document == {
        "file": "2.png", "truth": "dog", "prediction": "emu", "confidence": 0.8,
        "truth_confidence": 0.1,
    }  # fmt: skip


def test_a_difference_above_zero_speaks_for_the_model_and_not_for_the_other():
    """The other model is the comparison's first."""
    assert hold_against(SECOND, FIRST).comparison.difference.value == 0.5


def test_models_are_called_by_what_tells_them_apart():
    """Two versions by their names, one bundle in two engines by the engines."""
    assert short_titles([FIRST, SECOND]) == ["pets@1.0.0", "pets@2.0.0"]
    in_bf16 = evaluation(FIRST.answers, precision="bf16")
    assert short_titles([FIRST, in_bf16]) == ["openvino f32", "openvino bf16"]
