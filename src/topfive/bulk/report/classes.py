"""How often each class was the most likely one, and how sure the model was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CONFIDENCE_BINS = 50


@dataclass(slots=True)
class CountedClass:
    """One class, how many pictures it was the most likely one of, and their confidences' sum."""

    class_id: int
    name: str
    pictures: int = 0
    confidences: float = 0.0

    @property
    def mean_confidence(self) -> float:
        """The mean of the confidences with which it was the most likely one."""
        return self.confidences / self.pictures


class ClassTally:
    """Counts the most likely classes and their confidences; as large as there are classes."""

    def __init__(self) -> None:
        self.classified = 0
        self.confidence_bins: npt.NDArray[np.int64] = np.zeros(CONFIDENCE_BINS, np.int64)
        self._classes: dict[int, CountedClass] = {}

    def add(self, batch: Any) -> None:
        """Take in a batch of rows, as `columns` has them."""
        known = batch.filter(batch["class_id"].is_valid())
        if not known.num_rows:
            return
        ids = known["class_id"].to_numpy()
        confidences = known["confidence"].to_numpy(zero_copy_only=False)
        self.classified += len(ids)
        self.confidence_bins += np.histogram(confidences, CONFIDENCE_BINS, (0, 1))[0]
        found, first, place = np.unique(ids, return_index=True, return_inverse=True)
        sums = np.bincount(place, weights=confidences)
        counts = np.bincount(place)
        for one, row, pictures, total in zip(found, first, counts, sums, strict=True):
            self._count(int(one), known["class_name"], int(row), int(pictures), float(total))

    def _count(self, class_id: int, names: Any, row: int, pictures: int, total: float) -> None:
        counted = self._classes.get(class_id)
        if counted is None:
            counted = self._classes[class_id] = CountedClass(class_id, names[row].as_py())
        counted.pictures += pictures
        counted.confidences += total

    def most_frequent(self) -> list[CountedClass]:
        """List all classes that were seen, the most frequent first."""
        return sorted(self._classes.values(), key=lambda one: (-one.pictures, one.class_id))

    @property
    def mean_confidence(self) -> float | None:
        """The mean confidence of the most likely classes; None without any."""
        total = sum(one.confidences for one in self._classes.values())
        return total / self.classified if self.classified else None

    def below(self, confidence: float) -> int:
        """Tell how many pictures have a confidence below this one, a multiple of 0.02."""
        return int(self.confidence_bins[: round(confidence * CONFIDENCE_BINS)].sum())
