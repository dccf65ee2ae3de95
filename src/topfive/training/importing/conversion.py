"""From a model's graph to the one that is served, and what it must answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from topfive.classify.agreement import Logits
from topfive.input_recipe import InputRecipe
from topfive.training.importing.formats import open_reference
from topfive.training.importing.graph import (
    LEAST_PROBABILITY,
    InputForm,
    Scores,
    end_at,
    find_scores,
    fix_shape,
    take_logarithm,
)
from topfive.training.importing.model_file import ModelFile
from topfive.training.importing.recipe import ImportRecipe
from topfive.training.importing.reference import ask_openvino
from topfive.training.importing.refusals import refuse
from topfive.training.importing.rounding import round_products
from topfive.training.importing.serving_graph import prepare_values, take_pixels

Output = Literal["logits", "softmax", "probabilities"]

# Probabilities that were rounded in f16 add up to one no more closely.
_MOST_OFF_ONE = 2e-3


@dataclass(frozen=True, slots=True)
class Given:
    """A model as its file has it, and how its pictures are prepared."""

    file: ModelFile
    graph: Any
    form: InputForm
    wants: ImportRecipe
    recipe: InputRecipe


@dataclass(frozen=True, slots=True)
class Converted:
    """The graph that is served, and the reference's logits (inputs, classes), in f32 and in bf16.

    `output` says what the file's model gives: logits, these with a softmax behind them that is left
    out here, or probabilities, of which the logarithm is taken.
    """

    graph: Any
    f32: Logits
    bf16: Logits
    reference: str
    output: Output


def convert(
    given: Given, pictures: NDArray[np.uint8], labels_file: Path, classes: int
) -> Converted:
    """Make the graph that is served, and ask the reference about pictures (n, side, side, 3).

    Raises LabelsRefused or WeightsRefused where the model is no classifier of so many classes, or
    its numbers are not what they are said to be.
    """
    path, graph = given.file.path, given.graph
    reference = open_reference(given.file, graph)
    fix_shape(path, graph, given.form.shape(given.recipe.crop))
    scores = find_scores(path, graph, labels_file, classes, reference.known_names)
    values = prepare_values(pictures, given.form, given.wants, given.recipe)
    answers = reference.ask(values, scores, classes)
    output = _tell_output(path, answers, scores, given.wants.output)
    is_probability = output == "probabilities"
    logits = take_logarithm(scores.output) if is_probability else scores.output
    plain = end_at(graph, logits, classes)
    return Converted(
        bf16=ask_openvino(path, round_products(plain), values),
        graph=take_pixels(plain, given.form.layout, given.wants, given.recipe),
        f32=np.log(np.maximum(answers, LEAST_PROBABILITY)) if is_probability else answers,
        reference=reference.name,
        output=output,
    )


def _tell_output(path: Path, answers: Logits, scores: Scores, told: str | None) -> Output:
    """Tell what numbers are, by what they are for the golden inputs."""
    if not np.isfinite(answers).all():
        raise refuse(
            path, "gives values that are not numbers: it is damaged, or of a training that failed."
        )
    if scores.is_before_softmax:
        if told == "logits":
            raise refuse(path, "ends in a softmax, and --output says logits: leave that out.")
        return "softmax"
    are_shares = _are_shares(answers)
    if told == "probabilities" and not are_shares:
        raise refuse(
            path,
            f"gives numbers of {answers.min():.3g} to {answers.max():.3g} that do not add up to 1, "
            "and --output says probabilities.",
        )
    if told == "logits" and are_shares:
        raise refuse(path, "gives shares that add up to 1, and --output says logits: leave it out.")
    return "probabilities" if are_shares else "logits"


def _are_shares(answers: Logits) -> bool:
    sums = answers.sum(axis=1)
    is_within = answers.min() >= 0 and answers.max() <= 1 + _MOST_OFF_ONE
    return bool(is_within and np.abs(sums - 1).max() <= _MOST_OFF_ONE)
