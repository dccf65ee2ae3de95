"""Trains all layers on varied photos; what is best by validation is kept."""

from dataclasses import dataclass, field
from math import cos, isfinite, pi
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from topfive.errors import TrainingStopped
from topfive.training.checkpoints import StateDict
from topfive.training.finetuning.compute import Compute
from topfive.training.finetuning.kept_state import KeptState
from topfive.training.finetuning.networks import plain_state, set_learning
from topfive.training.finetuning.photos import (
    Batch,
    Loader,
    Showing,
    count_batches,
    mix_seed,
)
from topfive.training.finetuning.recipe import TrainingRecipe
from topfive.training.finetuning.scoring import NO_SCORE, Score, score_photos

_STATE = "fine_tuning"
# Of the highest rate: those that one cycle begins and ends with, as torch's OneCycleLR has them.
_FIRST_RATE, _LAST_RATE = 1 / 25, 1 / 250_000


class Span(NamedTuple):
    """How long it lasts: so many epochs, each of so many photos."""

    epochs: int
    photos: int


def measure_span(recipe: TrainingRecipe, photos: int, device: str) -> Span:
    """Tell how long a training of so many photos lasts: on a CPU it is bounded."""
    most = recipe.most_cpu_photos
    if device != "cpu" or most == 0 or recipe.epochs == 0:
        return Span(recipe.epochs, photos)
    return Span(max(1, min(recipe.epochs, most // photos)), min(photos, most))


@dataclass(frozen=True, slots=True)
class Best:
    """The best network by validation: its tensors, and the epoch after which it was so; 0: before.

    An empty one is worse than any.
    """

    state_dict: StateDict = field(default_factory=dict)
    score: Score = NO_SCORE
    epoch: int = 0

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "Best":
        """Make one of what `state` gave."""
        return cls(state["state_dict"], Score(*state["score"]), state["epoch"])

    def offer(self, network: torch.nn.Module, score: Score, epoch: int) -> "Best":
        """Give the better of this one and a network."""
        if not score.is_better_than(self.score):
            return self
        return Best(plain_state(network), score, epoch)

    def state(self) -> dict[str, Any]:
        """Give what it is as plain data."""
        return {"state_dict": self.state_dict, "score": list(self.score), "epoch": self.epoch}


class FineTuning:
    """A network, what changes it, and how far it is."""

    def __init__(
        self, network: torch.nn.Module, recipe: TrainingRecipe, span: Span, compute: Compute
    ) -> None:
        self.epoch = 0
        self.span = span
        self._network = network
        self._recipe = recipe
        self.compute = compute
        self._average = _average_of(network, recipe.average_decay)
        self._optimizer = _make_optimizer(network, recipe)
        self._schedule = _make_schedule(self._optimizer, recipe, span)
        self._scaler = torch.amp.GradScaler(compute.device, enabled=compute.dtype == torch.float16)

    @property
    def result(self) -> torch.nn.Module:
        """The network to measure and keep: the running average where there is one."""
        return self._network if self._average is None else self._average.module

    def has_ended(self, best: Best) -> bool:
        """Tell whether the epochs are over, or too many have come after the best one."""
        is_still = 0 < self._recipe.patience <= self.epoch - best.epoch
        return self.epoch >= self.span.epochs or is_still

    def learn(self, loader: Loader) -> None:
        """Show one epoch of photos; raises TrainingStopped if the loss is no number any more."""
        torch.manual_seed(mix_seed(self._recipe.seed, self.epoch))
        set_learning(self._network, keeps_norms=self._recipe.keeps_norms)
        for batch in loader.show(self._shown(len(loader.photos))):
            self._step(batch)
            self.compute.reporter.advance(len(batch.truths))
        self.epoch += 1

    def state(self) -> dict[str, Any]:
        """Give all that is needed to go on from here."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"epoch": self.epoch, "most_at_once": self.compute.most_at_once, **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.epoch = state["epoch"]
        self.compute.most_at_once = state["most_at_once"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "network": self._network, "optimizer": self._optimizer,
            "schedule": self._schedule, "scaler": self._scaler,
        }  # fmt: skip
        return parts if self._average is None else {**parts, "average": self._average}

    def _shown(self, photos: int) -> list[Showing]:
        generator = torch.Generator().manual_seed(mix_seed(self._recipe.seed, self.epoch))
        chosen = torch.randperm(photos, generator=generator)[: self.span.photos].tolist()
        ramp = self._recipe.augmentation.ramp_share * self.span.epochs
        strength = min(1.0, self.epoch / ramp) if ramp else 1.0
        most = self._recipe.batch_size * count_batches(len(chosen), self._recipe.batch_size)
        return [Showing(place, self.epoch, strength) for place in chosen[:most]]

    def _step(self, batch: Batch) -> None:
        """Learn from a batch, in as many parts as memory asks for."""
        count = len(batch.truths)

        def learn_part(part: slice) -> float:
            with self.compute.mixed():
                logits = self._network(self.compute.normalise(batch.pixels[part]))
                truths = torch.from_numpy(batch.truths[part]).to(self.compute.device)
                loss = functional.cross_entropy(
                    logits, truths, label_smoothing=self._recipe.label_smoothing
                ) * (len(truths) / count)
            torch.autograd.backward(self._scaler.scale(loss))
            return float(loss.detach())

        loss = sum(self.compute.in_parts(count, learn_part, self._optimizer.zero_grad))
        self._require_number(loss)
        if self._change_weights():
            self._schedule.step()
            if self._average is not None:
                self._average.update_parameters(self._network)

    def _change_weights(self) -> bool:
        """Take the step; False where gradients in f16 were too large, and smaller ones are next."""
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return self._scaler.get_scale() >= scale

    def _require_number(self, loss: float) -> None:
        if not isfinite(loss):
            raise TrainingStopped(
                f"The training has failed in epoch {self.epoch + 1}: its loss is no number any "
                f"more. Set a learning_rate below {self._recipe.learning_rate:g}."
            )


def fine_tune(
    tuning: FineTuning, loader: Loader, validation: Loader, best: Best, kept: KeptState
) -> Best:
    """Train until the epochs are over or the validation stands still; every epoch is kept.

    `best` is what was best before. Goes on from what was kept of a training that was stopped.
    Raises TrainingStopped as `FineTuning.learn`.
    """
    reporter = tuning.compute.reporter
    best = _resume(tuning, best, kept)
    if tuning.has_ended(best):
        return best
    photos = tuning.span.photos + len(validation.photos)
    reporter.begin("Training all layers", (tuning.span.epochs - tuning.epoch) * photos)
    while not tuning.has_ended(best):
        tuning.learn(loader)
        score = score_photos(tuning.result, validation, tuning.compute).score
        best = best.offer(tuning.result, score, tuning.epoch)
        reporter.tell(f"Epoch {tuning.epoch} of {tuning.span.epochs}: {score}")
        kept.write(_STATE, {"tuning": tuning.state(), "best": best.state()})
    return best


def _resume(tuning: FineTuning, best: Best, kept: KeptState) -> Best:
    state = kept.read(_STATE)
    if state is None:
        return best
    with kept.in_use():
        tuning.restore(state["tuning"])
        best = Best.of_state(state["best"])
    tuning.compute.reporter.tell(f"Going on after epoch {tuning.epoch}, where it was stopped.")
    return best


def _average_of(network: torch.nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    keep = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=keep, use_buffers=True)


def _make_optimizer(network: torch.nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(), recipe.learning_rate, momentum=recipe.momentum,
            nesterov=recipe.momentum > 0, weight_decay=recipe.weight_decay,
        )  # fmt: skip
    return torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )


def _make_schedule(
    optimizer: torch.optim.Optimizer, recipe: TrainingRecipe, span: Span
) -> LRScheduler:
    steps = max(1, span.epochs * count_batches(span.photos, recipe.batch_size))
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    if recipe.schedule == "constant":
        return LambdaLR(optimizer, lambda _: 1.0)
    return LambdaLR(optimizer, lambda step: one_cycle(step, steps, recipe.warmup_share))


def one_cycle(step: int, steps: int, warmup_share: float) -> float:
    """Tell by what the learning rate is multiplied in a step of `steps`, counted from 0.

    It rises to 1 and falls to nearly 0, each along a cosine, as torch's OneCycleLR has it, which
    fails where the rise is over within one step. Source: L. Smith, Super-convergence, 2018.
    """
    peak, last = warmup_share * steps - 1, max(1, steps - 1)
    if step < peak:
        return _between(_FIRST_RATE, 1.0, step / peak)
    return _between(1.0, _LAST_RATE, min(1.0, (step - max(0.0, peak)) / (last - max(0.0, peak))))


def _between(start: float, end: float, share: float) -> float:
    """Go from start to end along half a cosine."""
    return end + (start - end) / 2 * (1 + cos(pi * share))
