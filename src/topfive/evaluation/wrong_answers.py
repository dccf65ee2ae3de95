"""The photos that a model gets wrong, the surest first."""

from dataclasses import dataclass
from typing import Any

from topfive.datasets.dataset import LabelledPhoto
from topfive.evaluation.comparison import pair_answers
from topfive.evaluation.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A photo of the class `truth` that was taken for `prediction` with this confidence.

    `truth_confidence` is what the true class got.
    """

    photo: LabelledPhoto
    truth: str
    prediction: str
    confidence: float
    truth_confidence: float

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON has it, with the photo's file as it was found."""
        return {
            "file": str(self.photo.path),
            "truth": self.truth,
            "prediction": self.prediction,
            "confidence": round(self.confidence, 6),
            "truth_confidence": round(self.truth_confidence, 6),
        }


def worst_answers(evaluation: Evaluation, most: int) -> list[WrongAnswer]:
    """List up to `most` wrong answers, those with the highest confidence first."""
    wrong = (~evaluation.answers.is_right).nonzero()[0].tolist()
    return _surest(evaluation, wrong, most)


def wrong_alone(evaluation: Evaluation, other: Evaluation, most: int) -> list[WrongAnswer]:
    """List up to `most` wrong answers for photos that the other model gets right."""
    own, others = evaluation.answers.is_right, other.answers.is_right
    pairs = pair_answers(evaluation.answers, other.answers)
    wrong = [place for place, place_there in pairs if others[place_there] and not own[place]]
    return _surest(evaluation, wrong, most)


def _surest(evaluation: Evaluation, places: list[int], most: int) -> list[WrongAnswer]:
    confidences = evaluation.answers.confidences
    surest = sorted(places, key=lambda place: -confidences[place])[:most]
    return [_wrong_answer(evaluation, place) for place in surest]


def _wrong_answer(evaluation: Evaluation, place: int) -> WrongAnswer:
    answers, classes = evaluation.answers, evaluation.classes
    truth = answers.truths[place]
    return WrongAnswer(
        answers.photos[place],
        classes[truth],
        classes[answers.predictions[place]],
        float(answers.confidences[place]),
        float(answers.probabilities[place, truth]),
    )
