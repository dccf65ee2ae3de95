"""One model on labelled photos: who it was, what it answered, and how good that is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from topfive.classify.classifier import Classifier
from topfive.datasets.dataset import LabelledPhoto
from topfive.evaluation.answers import Answers, classify_photos
from topfive.evaluation.comparison import Comparison, compare
from topfive.evaluation.metrics import Metrics, measure


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """Which bundle was evaluated, and the engine that it ran in."""

    name: str
    version: str
    architecture: str
    digest: str
    engine: str
    precision: str
    device: str
    # By what its logits were divided where it was made; 1 where they were not.
    temperature: float

    @property
    def title(self) -> str:
        """The model as a command names it, and its engine."""
        return f"{self.reference}, {self.engine} {self.precision}"

    @property
    def reference(self) -> str:
        """The model as a command names it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model with `classes` answered, and what was measured of that."""

    model: EvaluatedModel
    classes: tuple[str, ...]
    answers: Answers
    metrics: Metrics

    def to_document(self) -> dict[str, Any]:
        """Give the model and its metrics as JSON has them; no photo is named."""
        return {"model": asdict(self.model), "metrics": self.metrics.to_document()}


@dataclass(frozen=True, slots=True)
class Compared:
    """The model that another is held against, and what came of it.

    In the comparison this model is the first, so that a difference above 0 speaks for the other.
    """

    evaluation: Evaluation
    comparison: Comparison


def hold_against(evaluation: Evaluation, other: Evaluation) -> Compared:
    """Compare a model with another one by the photos that both have classified.

    Raises DatasetRefused where there are none.
    """
    return Compared(other, compare(other.answers, evaluation.answers))


def short_titles(evaluations: Sequence[Evaluation]) -> list[str]:
    """Name models by what tells them apart: by the bundle, else by the engine."""
    models = [one.model for one in evaluations]
    references = [one.reference for one in models]
    if len(set(references)) == len(models):
        return references
    return [f"{one.engine} {one.precision}" for one in models]


def evaluate(
    classifier: Classifier,
    photos: Sequence[LabelledPhoto],
    report: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Classify photos as the service would, and measure the answers.

    `report` is told how many are done. Raises DatasetRefused where no photo got an answer.
    """
    answers = classify_photos(classifier, photos, report)
    classes = classifier.bundle.labels
    return Evaluation(_describe(classifier), classes, answers, measure(answers, classes))


def _describe(classifier: Classifier) -> EvaluatedModel:
    manifest, engine = classifier.bundle.manifest, classifier.engine
    return EvaluatedModel(
        manifest.name,
        manifest.version,
        manifest.architecture,
        classifier.digest,
        engine.name,
        engine.precision,
        engine.device,
        manifest.calibration.temperature if manifest.calibration else 1.0,
    )
