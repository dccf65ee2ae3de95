"""The features that a module's logits are pooled from, where they are: heatmaps need them.

Where a module ends in the mean of its features over all places, and one linear layer, its steps
are traced and these features found; what the layers are called does not matter.
"""

import math
import warnings

import torch
from torch import fx

from topfive.engines.torchvision_models import import_torchvision, last_linear_layer
from topfive.errors import EngineRefused

_KEEP_VALUES = (torch.nn.Dropout, torch.nn.Flatten, torch.nn.Identity)
_FLATTENING = {"flatten", "squeeze"}
# The last two axes of (N, channels, height, width).
_PLACES = ([2, 3], (2, 3), [-2, -1], (-2, -1))
_ONE_PLACE = (1, (1, 1))


def find_pooled_features(module: torch.nn.Module) -> str:
    """Name the step whose output's mean over all places is scored by one linear layer.

    The name is as torchvision.models.feature_extraction has it. Empty where the logits of the
    module are made in another way, and where its steps cannot be told apart.
    """
    import_torchvision()
    from torchvision import ops  # noqa: PLC0415 - torchvision may be patched
    from torchvision.models.feature_extraction import NodePathTracer  # noqa: PLC0415

    was_training = module.training
    # As create_feature_extractor does it, for the same names.
    leaves = [one for one in vars(ops).values() if isinstance(one, type)]
    tracer = NodePathTracer(autowrap_modules=(math, ops), leaf_modules=leaves)
    try:
        graph: fx.Graph = tracer.trace(module.eval())
    except (fx.proxy.TraceError, TypeError, RuntimeError):
        return ""
    finally:
        module.train(was_training)
    features = _find_features(module, graph)
    return tracer.node_to_qualname[features] if features is not None else ""


def give_features(module: torch.nn.Module) -> torch.nn.Module:
    """Make of a module one that gives logits and the features that they are pooled from.

    Both have the same weights. It gives (N, classes) and (N, channels, height, width). Raises
    EngineRefused where `find_pooled_features` finds none.
    """
    import_torchvision()
    from torchvision.models.feature_extraction import (  # noqa: PLC0415 - torchvision may be patched
        create_feature_extractor,
    )

    features = find_pooled_features(module)
    if not features:
        raise EngineRefused(
            f"{type(module).__name__} does not end in the mean of its features and a linear layer."
        )
    wanted = {last_linear_layer(module)[0]: "logits", features: "features"}
    with warnings.catch_warnings():
        # It is traced in training too, where some give logits of further layers.
        warnings.simplefilter("ignore")
        extract = create_feature_extractor(module, wanted)
    return _Pair(extract).train(module.training)


class _Pair(torch.nn.Module):
    def __init__(self, extract: torch.nn.Module) -> None:
        super().__init__()
        self._extract = extract

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self._extract(pictures)
        return found["logits"], found["features"]


def _find_features(module: torch.nn.Module, graph: fx.Graph) -> fx.Node | None:
    scores = graph.output_node().args[0]
    if not isinstance(scores, fx.Node) or not _is_layer(module, scores, (torch.nn.Linear,)):
        return None
    pooled = scores.all_input_nodes[0]
    while _keeps_values(module, pooled):
        pooled = pooled.all_input_nodes[0]
    return pooled.all_input_nodes[0] if _is_mean_over_places(module, pooled) else None


def _is_layer(module: torch.nn.Module, node: fx.Node, kinds: tuple[type, ...]) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), kinds)


def _keeps_values(module: torch.nn.Module, node: fx.Node) -> bool:
    """Tell a step that changes no value when the module is not trained."""
    return _is_layer(module, node, _KEEP_VALUES) or _function(node) in _FLATTENING


def _is_mean_over_places(module: torch.nn.Module, node: fx.Node) -> bool:
    if _is_layer(module, node, (torch.nn.AdaptiveAvgPool2d,)):
        return module.get_submodule(str(node.target)).output_size in _ONE_PLACE
    given = [*node.args[1:], *node.kwargs.values()]
    if _function(node) == "adaptive_avg_pool2d":
        return given[:1] in [[one] for one in _ONE_PLACE]
    return _function(node) == "mean" and given in [[one] for one in _PLACES]


def _function(node: fx.Node) -> str:
    """Tell what a step calls that is no module of its own; empty for one that is."""
    if node.op == "call_method":
        return str(node.target)
    return getattr(node.target, "__name__", "") if node.op == "call_function" else ""
