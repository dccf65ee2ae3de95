"""A network for one's own classes: what is known already below, a new last layer above."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from topfive.engines.torchvision_models import build_module, last_linear_layer, load_weights
from topfive.training.checkpoints import StateDict
from topfive.training.finetuning.bases import Base
from topfive.training.finetuning.recipe import TrainingRecipe

# All kinds of batch normalisation; torch has no public name for them.
_NORMS = torch.nn.modules.batchnorm._BatchNorm


def build_network(base: Base, labels: tuple[str, ...], recipe: TrainingRecipe) -> torch.nn.Module:
    """Make a base's network with a last layer for `labels`, in the layout that is fastest.

    Rows of classes that the base has by the same name begin as they are there; the others, and an
    untrained network, are random by the recipe's seed. Raises EngineRefused where the last layer
    is not linear, as in SqueezeNet.
    """
    torch.manual_seed(recipe.seed)
    module = build_module(base.architecture, base.options, len(labels))
    last_linear_layer(module)
    if base.state_dict:
        load_weights(module, _fitted(module, base, labels))
    if recipe.dropout is not None:
        _set_dropout(module, recipe.dropout)
    channels_last: torch.nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return channels_last


def _fitted(module: torch.nn.Module, base: Base, labels: tuple[str, ...]) -> StateDict:
    """Give the base's tensors with a last layer of as many rows as there are labels."""
    head, layer = last_linear_layer(module)
    known = {label: row for row, label in enumerate(base.labels)}
    fitted = dict(base.state_dict)
    for name, fresh in layer.named_parameters():
        rows, former = fresh.detach().clone(), base.state_dict[f"{head}.{name}"]
        for row, label in enumerate(labels):
            if label in known:
                rows[row] = former[known[label]] * base.temperature
        fitted[f"{head}.{name}"] = rows
    return fitted


def _set_dropout(module: torch.nn.Module, chance: float) -> None:
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = chance


def set_learning(module: torch.nn.Module, *, keeps_norms: bool) -> None:
    """Switch to training; batch statistics stay as they are where they are kept."""
    module.train()
    for part in module.modules():
        if keeps_norms and isinstance(part, _NORMS):
            part.eval()


@contextmanager
def tap_features(module: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collect what the last layer is given, (photos, channels), while the block runs."""
    collected: list[torch.Tensor] = []
    _, layer = last_linear_layer(module)

    def keep(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        collected.append(inputs[0].detach())

    hook = layer.register_forward_pre_hook(keep)
    try:
        yield collected
    finally:
        hook.remove()


def divide_last_layer(module: torch.nn.Module, temperature: float) -> None:
    """Divide all logits by a temperature, for every engine alike."""
    _, layer = last_linear_layer(module)
    with torch.no_grad():
        for rows in layer.parameters():
            rows.div_(temperature)


def plain_state(module: torch.nn.Module) -> StateDict:
    """Copy all tensors to the CPU, in the plain layout."""
    return {
        name: one.detach().to("cpu", copy=True).contiguous()
        for name, one in module.state_dict().items()
    }
