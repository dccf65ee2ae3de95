"""What a classifier says of labelled photos, each through the pipeline that serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topfive.classify.classifier import Classifier
from topfive.datasets.dataset import LabelledPhoto
from topfive.errors import DatasetRefused, Failure
from topfive.images.sniff import sniff


class PhotoFailure(NamedTuple):
    """A photo that got no answer, and why in words."""

    photo: LabelledPhoto
    reason: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered for `photos`, in their order.

    Probabilities are (n, classes), truths the true class ids (n,), times (n,) in milliseconds:
    `inference_ms` of the engine alone, `total_ms` from a photo's bytes to its probabilities.
    `failures` are photos without an answer; they are not among `photos`.
    """

    probabilities: NDArray[np.float32]
    truths: NDArray[np.int64]
    photos: tuple[LabelledPhoto, ...]
    inference_ms: NDArray[np.float64]
    total_ms: NDArray[np.float64]
    failures: tuple[PhotoFailure, ...] = ()

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The most likely class ids: (n,)."""
        best: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return best

    @property
    def confidences(self) -> NDArray[np.float32]:
        """The probabilities of the most likely classes: (n,)."""
        most: NDArray[np.float32] = self.probabilities.max(axis=1)
        return most

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the most likely class is the true one: (n,)."""
        right: NDArray[np.bool_] = self.predictions == self.truths
        return right


class _Answer(NamedTuple):
    probabilities: NDArray[np.float32]
    inference_ms: float
    total_ms: float


def classify_photos(
    classifier: Classifier,
    photos: Sequence[LabelledPhoto],
    report: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Sniff, prepare and infer each photo as the service does, one after the other.

    `report` is told how many are done. Raises DatasetRefused where no photo got an answer.
    """
    classes = classifier.bundle.manifest.classes
    # Row by row into the one array there is: of many photos and classes it takes gigabytes.
    probabilities = np.empty((len(photos), classes), np.float32)
    answered: list[LabelledPhoto] = []
    times_ms: list[tuple[float, float]] = []
    failures: list[PhotoFailure] = []
    for done, photo in enumerate(photos, start=1):
        try:
            answer = _classify(classifier, photo.path)
        except Failure as failure:
            failures.append(PhotoFailure(photo, failure.detail))
        except OSError as error:
            failures.append(PhotoFailure(photo, f"It cannot be read: {error.strerror}."))
        else:
            probabilities[len(answered)] = answer.probabilities
            answered.append(photo)
            times_ms.append((answer.inference_ms, answer.total_ms))
        report(done)
    if not answered:
        raise DatasetRefused(_nothing_answered(failures))
    truths = np.array([one.class_id for one in answered])
    inference_ms, total_ms = np.array(times_ms).T
    known = probabilities[: len(answered)]
    return Answers(known, truths, tuple(answered), inference_ms, total_ms, tuple(failures))


def _classify(classifier: Classifier, path: Path) -> _Answer:
    with path.open("rb") as file:
        # No more of too large a file than shows that it is.
        data = file.read(classifier.limits.max_bytes + 1)
    started = perf_counter()
    prepared = classifier.prepare(sniff(data, classifier.limits))
    ready = perf_counter()
    probabilities = classifier.score(prepared.pixels)
    ended = perf_counter()
    return _Answer(probabilities, (ended - ready) * 1000, (ended - started) * 1000)


def _nothing_answered(failures: list[PhotoFailure]) -> str:
    if not failures:
        return "There are no photos to classify."
    first = failures[0]
    return (
        f"None of the {len(failures)} photos could be classified. The first, {first.photo.path}: "
        f"{first.reason}"
    )
