"""What a training is to make, and of what."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from topfive.classify.classifier import Classifier
from topfive.datasets.dataset import Dataset
from topfive.datasets.split import Shares, Split, format_split, split_dataset
from topfive.evaluation.answers import Answers
from topfive.input_recipe import InputRecipe
from topfive.training.export import Findings
from topfive.training.finetuning.bases import Base
from topfive.training.finetuning.recipe import TrainingRecipe

# What is found of a bundle beside its metrics, by its answers for the held-out photos.
Examination = Callable[[Classifier, Answers], Findings]


def find_nothing(_: Classifier, __: Answers) -> Findings:
    """Find nothing further."""
    return Findings()


def split_photos(dataset: Dataset, recipe: TrainingRecipe, base: Base) -> Split:
    """Split photos by a recipe's shares; what the base has seen stays in the part that it was in.

    Raises DatasetRefused if a class has too few photos.
    """
    shares = Shares(recipe.validation_share, recipe.held_out_share)
    return split_dataset(dataset, shares, recipe.seed, base.former)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A training: photos of `dataset.classes`, split; what it begins with; what it is to make.

    `device` is auto, cpu or cuda; `workers` load photos beside the training (None: as suits the
    device). `samples` are pictures to try the model with, by name; the first is the golden picture.
    `examine` is asked what else a bundle shall hold, once it answers. What was kept of the same
    training is forgotten if it `restarts`.
    """

    dataset: Dataset
    split: Split
    base: Base
    name: str
    version: str
    models_dir: Path
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    device: str = "auto"
    workers: int | None = None
    samples: Mapping[str, Image.Image] = field(default_factory=dict)
    examine: Examination = find_nothing
    restarts: bool = False

    @property
    def input(self) -> InputRecipe:
        """How the network wants its pictures."""
        return self.recipe.input.change(self.base.input)

    @property
    def digest(self) -> str:
        """The sha256, in hex, of all that decides what is learned."""
        parts = {
            "data": self.dataset.sha256,
            "classes": self.dataset.classes,
            "split": format_split(self.split, self.dataset.classes),
            "base": [self.base.title, self.base.sha256],
            "recipe": self.recipe.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
