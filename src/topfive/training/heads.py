"""The classifier at the end of a network: where an architecture has it, and where weights do."""

from dataclasses import dataclass

import torch

from topfive.bundles.manifest import MAX_CLASSES
from topfive.engines.torchvision_models import scoring_layer
from topfive.errors import WeightsRefused
from topfive.training.recognition import StateDict, told


@dataclass(frozen=True, slots=True)
class Head:
    """An architecture's last layer, `layer`, which gives the logits.

    Whatever begins with `scope` is this layer, whatever its own name is: people put others in its
    place, such as a dropout and a linear layer.
    """

    architecture: str
    layer: str
    scope: str
    axes: int
    has_bias: bool

    def has(self, name: str) -> bool:
        """Tell a tensor of the head by its name."""
        return name.startswith(f"{self.scope}.")


def find_head(module: torch.nn.Module, architecture: str) -> Head:
    """Find where an architecture's module has its last layer."""
    layer, last = scoring_layer(module)
    container = layer.partition(".")[0]
    inside = {
        name.rpartition(".")[0] for name in module.state_dict() if name.startswith(f"{container}.")
    }
    # Beside further layers, which are part of the network, only this one's place is the head's.
    scope = container if inside == {layer} else layer
    return Head(architecture, layer, scope, last.weight.ndim, last.bias is not None)


def put_head(tensors: StateDict, head: Head) -> tuple[StateDict, int]:
    """Call the only layer of the head as torchvision does; returns the number of classes too.

    Raises WeightsRefused if there is none, several, or one that gives no logits.
    """
    in_head = {name: one for name, one in tensors.items() if head.has(name)}
    layers = sorted({name.rpartition(".")[0] for name in in_head})
    if not layers:
        raise WeightsRefused(
            f"The weights of {head.architecture} have no classifier ({head.layer}.weight)."
        )
    if len(layers) > 1:
        count = {2: "two", 3: "three"}.get(len(layers), str(len(layers)))
        names = ", ".join(told(one, 30) for one in layers[:4])
        raise WeightsRefused(
            f"The classifier has {count} layers ({names}); topfive reads one linear layer."
        )
    weight = _check_weight(told(layers[0]), in_head.get(f"{layers[0]}.weight"), head)
    rest = {name: one for name, one in tensors.items() if name not in in_head}
    given = {f"{head.layer}.weight": weight}
    if head.has_bias:
        bias = in_head.get(f"{layers[0]}.bias", torch.zeros(weight.shape[0]))
        given[f"{head.layer}.bias"] = bias
    return rest | given, int(weight.shape[0])


def _check_weight(layer: str, weight: torch.Tensor | None, head: Head) -> torch.Tensor:
    """Give the head's weight back, looked at before anything of its size is made."""
    if weight is None or weight.ndim != head.axes:
        kind = "linear layer" if head.axes == 2 else "convolution"
        raise WeightsRefused(f"The classifier ({layer}) is not a {kind}; topfive reads one {kind}.")
    if not 1 <= weight.shape[0] <= MAX_CLASSES:
        raise WeightsRefused(
            f"The classifier ({layer}) has {weight.shape[0]} classes; topfive takes 1 to "
            f"{MAX_CLASSES}."
        )
    return weight
