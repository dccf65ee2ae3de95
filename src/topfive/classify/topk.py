"""From logits to the most likely classes."""

import numpy as np
from numpy.typing import NDArray

from topfive.predictions import ClassScore


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits of shape (classes,) into probabilities of the same shape."""
    powers = np.exp(logits - logits.max())
    probabilities: NDArray[np.float32] = powers / powers.sum()
    return probabilities


def top_classes(
    probabilities: NDArray[np.float32], labels: tuple[str, ...], top_k: int
) -> tuple[ClassScore, ...]:
    """Pick the `top_k` most likely classes, best first; fewer where the model has fewer."""
    count = min(top_k, len(labels))
    candidates = probabilities.argpartition(-count)[-count:]
    # So few are sorted sooner here than by another function of the library.
    # Negated, so that of equal ones the lower class id comes first.
    found = sorted(zip((-probabilities[candidates]).tolist(), candidates.tolist(), strict=True))
    return tuple(ClassScore(class_id, labels[class_id], -negated) for negated, class_id in found)
