"""Trains the last layer alone, of features that the frozen network gives once for each photo."""

from typing import NamedTuple

import torch
from torch.nn import functional

from topfive.engines.torchvision_models import last_linear_layer
from topfive.training.finetuning.compute import Compute
from topfive.training.finetuning.networks import tap_features
from topfive.training.finetuning.photos import Batch, Loader, mix_seed
from topfive.training.finetuning.recipe import TrainingRecipe
from topfive.training.finetuning.scoring import Score, Scored

_PATIENCE = 10


class Features(NamedTuple):
    """What the last layer is given of each photo, (views, photos, channels), and true class ids.

    The views are the photo as it is and, where it may be mirrored, its mirror image.
    """

    values: torch.Tensor
    truths: torch.Tensor


@torch.inference_mode()
def gather_features(
    network: torch.nn.Module, loader: Loader, compute: Compute, *, mirrors: bool
) -> Features:
    """Have a frozen network look at every photo once, and at its mirror image if it `mirrors`."""
    network.eval()
    values, truths = [], []
    for batch in loader.all():
        values.append(_look(network, batch, compute, mirrors=mirrors))
        truths.append(torch.from_numpy(batch.truths))
        compute.reporter.advance(len(batch.truths))
    return Features(torch.cat(values, dim=1), torch.cat(truths))


def _look(
    network: torch.nn.Module, batch: Batch, compute: Compute, *, mirrors: bool
) -> torch.Tensor:
    def look_at(part: slice) -> torch.Tensor:
        pictures = compute.normalise(batch.pixels[part])
        views = [pictures, pictures.flip(-1)] if mirrors else [pictures]
        with tap_features(network) as collected, compute.mixed():
            for view in views:
                network(view)
        return torch.stack(collected).float().cpu()

    return torch.cat(compute.in_parts(len(batch.truths), look_at), dim=1)


def train_head(
    network: torch.nn.Module,
    learned: Features,
    validation: Features,
    recipe: TrainingRecipe,
    compute: Compute,
) -> Score:
    """Train the last layer, and leave it as it was when the validation was best; returns how."""
    _, layer = last_linear_layer(network)
    has_bias = layer.bias is not None
    head = torch.nn.Linear(layer.in_features, layer.out_features, has_bias, compute.device)
    head.load_state_dict(layer.state_dict())
    trainer = _HeadTrainer(head, recipe, compute)
    best, stale = trainer.score(validation), 0
    for epoch in range(recipe.head_epochs):
        trainer.learn(learned, epoch)
        score = trainer.score(validation)
        compute.reporter.advance()
        stale += 1
        if score.is_better_than(best):
            best, stale = score, 0
            layer.load_state_dict(head.state_dict())
        if recipe.patience and stale >= _PATIENCE:
            break
    return best


class _HeadTrainer:
    def __init__(self, head: torch.nn.Linear, recipe: TrainingRecipe, compute: Compute) -> None:
        self._head = head
        self._recipe = recipe
        self._device = compute.device
        self._optimizer = torch.optim.AdamW(
            head.parameters(), recipe.head_learning_rate, weight_decay=recipe.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimizer, max(1, recipe.head_epochs)
        )

    def learn(self, learned: Features, epoch: int) -> None:
        """Show all views of all photos once, in an order of their own."""
        values = learned.values.flatten(0, 1)
        truths = learned.truths.repeat(len(learned.values))
        generator = torch.Generator().manual_seed(mix_seed(self._recipe.seed, epoch))
        order = torch.randperm(len(truths), generator=generator)
        for chosen in torch.split(order, self._recipe.batch_size):
            logits = self._head(values[chosen].to(self._device))
            loss = functional.cross_entropy(
                logits, truths[chosen].to(self._device),
                label_smoothing=self._recipe.label_smoothing,
            )  # fmt: skip
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()
        self._schedule.step()

    @torch.inference_mode()
    def score(self, validation: Features) -> Score:
        """Score photos as they are."""
        logits = self._head(validation.values[0].to(self._device))
        return Scored(logits.cpu().numpy(), validation.truths.numpy()).score
