"""How well a network does while it is trained."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from topfive.evaluation.calibration import fit_temperature
from topfive.training.finetuning.compute import Compute
from topfive.training.finetuning.photos import Batch, Loader


class Score(NamedTuple):
    """How good a network is by photos that it did not learn from.

    `loss` is the mean negative log likelihood of the true classes once confidences are calibrated,
    `top1` the share of photos whose best class is right.
    """

    loss: float
    top1: float

    def is_better_than(self, other: "Score") -> bool:
        """Tell whether its loss is lower.

        Of few photos, the share that is right says little; and a loss before calibration rises as
        soon as a network gets too sure, however right it is. Source: E. Berta and others,
        Rethinking early stopping: refine, then calibrate, 2025.
        """
        return self.loss < other.loss

    def __str__(self) -> str:
        return f"validation top-1 {self.top1:.4f}, loss {self.loss:.4f}"


# Any network is better.
NO_SCORE = Score(float("inf"), 0.0)

# Of so many logits a temperature is found exactly enough.
_MOST_LOGITS = 2_000_000


class Scored(NamedTuple):
    """Logits (photos, classes) in f32, and the true class ids (photos,)."""

    logits: NDArray[np.float32]
    truths: NDArray[np.int64]

    @property
    def score(self) -> Score:
        """How good they are."""
        step = max(1, self.logits.size // _MOST_LOGITS)
        temperature = fit_temperature(self.logits[::step], self.truths[::step])
        calibrated = log_softmax(self.logits / temperature, axis=1)
        rows = np.arange(len(self.truths))
        right = self.logits.argmax(axis=1) == self.truths
        return Score(-float(calibrated[rows, self.truths].mean()), float(right.mean()))


@torch.inference_mode()
def score_photos(network: torch.nn.Module, loader: Loader, compute: Compute) -> Scored:
    """Have a network score photos as they are, in f32."""
    network.eval()
    logits, truths = [], []
    for batch in loader.all():
        logits.append(_score(network, batch, compute))
        truths.append(batch.truths)
        compute.reporter.advance(len(batch.truths))
    return Scored(torch.cat(logits).numpy(), np.concatenate(truths))


def _score(network: torch.nn.Module, batch: Batch, compute: Compute) -> torch.Tensor:
    def score_part(part: slice) -> torch.Tensor:
        logits: torch.Tensor = network(compute.normalise(batch.pixels[part]))
        return logits.float().cpu()

    return torch.cat(compute.in_parts(len(batch.truths), score_part))
