"""Answers made up for tests: which class was said of each photo, and how surely."""

import hashlib
from pathlib import Path

import numpy as np

from topfive.datasets.dataset import LabelledPhoto
from topfive.evaluation.answers import Answers
from topfive.evaluation.evaluation import EvaluatedModel, Evaluation
from topfive.evaluation.metrics import measure


def answer(truths, predictions, confidences=None, classes=3, first_photo=0):
    """Make answers of photos, each known by its number from `first_photo` on."""
    count = len(truths)
    confidences = [0.9] * count if confidences is None else confidences
    probabilities = np.zeros((count, classes), np.float32)
    probabilities[:] = ((1 - np.array(confidences)) / (classes - 1))[:, np.newaxis]
    probabilities[np.arange(count), predictions] = confidences
    times = np.arange(1, count + 1, dtype=np.float64)
    photos = tuple(photo(first_photo + number, truth) for number, truth in enumerate(truths))
    return Answers(probabilities, np.array(truths), photos, times, times * 2)


def photo(number, class_id):
    """Make a photo that is known by its number; there is no such file."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return LabelledPhoto(Path(f"{number}.png"), class_id, sha256)


def evaluation(answers, classes=("cat", "dog", "emu"), name="pets", version="1.0.0", **model):
    """Make the evaluation of a model that gave these answers."""
    facts = {"engine": "openvino", "precision": "f32", "device": "cpu", "temperature": 1.0}
    described = EvaluatedModel(
        name=name, version=version, architecture="net", digest="d" * 64, **facts | model
    )
    return Evaluation(described, classes, answers, measure(answers, classes))
