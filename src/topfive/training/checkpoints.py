"""From what people save to what an architecture takes: unwrapped, renamed, with one linear head."""

from collections.abc import Iterator, Mapping
from typing import TypeGuard

import torch

from topfive.bundles.manifest import MAX_CLASSES
from topfive.bundles.official import OFFICIAL_ARCHITECTURES
from topfive.engines.torchvision_models import build_module
from topfive.errors import WeightsRefused
from topfive.training.recognition import look_alike, readable_name

StateDict = dict[str, torch.Tensor]

# Under these a checkpoint keeps its weights, beside the epoch, the optimizer and the like. Where
# there are several, the first of these is taken.
WRAPPERS = (
    "state_dict", "model_state_dict", "model", "net", "ema", "model_ema", "ema_state_dict",
)  # fmt: skip
# What wraps a model puts one of these before all its tensors' names.
PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.", "net.")

# Of wrappers within wrappers, and of prefixes; a dictionary may even hold itself.
_MOST_LAYERS = 16

# The classifier's layer, its tensors' common start, and the features that it takes.
_HEADS = {"mobilenet_v2": ("classifier.1", "classifier."), "resnet50": ("fc", "fc.")}
_COUNTER = "num_batches_tracked"
_PLAIN_TYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})


def unwrap(content: object, file: str) -> StateDict:
    """Take the named tensors out of what a weights file holds, with no prefix before all names.

    Raises WeightsRefused if there are none.
    """
    inner = content
    for _ in range(_MOST_LAYERS):
        if isinstance(inner, dict) and (key := _wrapper(inner)) is not None:
            inner = inner[key]
    if not _is_state_dict(inner):
        raise WeightsRefused(f"{file} does not hold a state dict (named tensors). {_held(content)}")
    return _without_prefixes({name: one for name, one in inner.items() if name != "n_averaged"})


def fit_architecture(tensors: StateDict, architecture: str) -> tuple[StateDict, int]:
    """Bring named tensors into the form that torchvision's architecture takes.

    Returns them and the number of classes. Raises WeightsRefused, naming what they look like, if
    they are not of this architecture, or their classifier is not one linear layer.
    """
    likeness = look_alike(tensors)
    if likeness != readable_name(architecture):
        raise WeightsRefused(_other_architecture(likeness, architecture))
    renamed = _with_one_head(tensors, architecture)
    head = _HEADS[architecture][0]
    classes = int(renamed[f"{head}.weight"].shape[0])
    expected = build_module(architecture, {}, classes).state_dict()
    for name, tensor in expected.items():
        # Older versions of torch did not count batches.
        if name.endswith(_COUNTER):
            renamed.setdefault(name, tensor)
    _check_shapes(renamed, expected, architecture)
    _check_values(renamed)
    return renamed, classes


def _wrapper(content: Mapping[object, object]) -> str | None:
    """Tell under which key a checkpoint has a further dictionary."""
    return next((key for key in WRAPPERS if isinstance(content.get(key), dict)), None)


def _is_state_dict(content: object) -> TypeGuard[StateDict]:
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(tensor, torch.Tensor) for tensor in content.values())
    )


def _held(content: object) -> str:
    if not isinstance(content, dict):
        return f"It holds a {type(content).__name__}."
    keys = ", ".join(_told(key, 20) for key in list(content)[:5]) or "nothing"
    return f"It holds: {keys}. Save one with torch.save(model.state_dict(), ...)."


def _told(name: object, most_characters: int = 60) -> str:
    """Shorten a name for a message; what could steer a terminal is left out."""
    return "".join(one for one in str(name)[:most_characters] if one.isprintable())


def _without_prefixes(tensors: StateDict) -> StateDict:
    for _ in range(_MOST_LAYERS):
        prefix = next(
            (one for one in PREFIXES if all(name.startswith(one) for name in tensors)), ""
        )
        tensors = {name.removeprefix(prefix): one for name, one in tensors.items()}
    return tensors


def _other_architecture(likeness: str | None, architecture: str) -> str:
    served = {readable_name(one): one for one in OFFICIAL_ARCHITECTURES}
    names = " and ".join(served.values())
    if likeness is None:
        return (
            f"The weights are not of {architecture}, nor of any other model that is known here. "
            f"topfive serves {names}."
        )
    if likeness not in served:
        return f"These look like {likeness} weights. topfive serves {names}."
    return (
        f"These look like {likeness} weights, and are not of {architecture}. "
        f"Set TOPFIVE_MODEL={served[likeness]}."
    )


def _with_one_head(tensors: StateDict, architecture: str) -> StateDict:
    """Call the classifier's only linear layer as torchvision does."""
    head, start = _HEADS[architecture]
    in_head = {name: one for name, one in tensors.items() if name.startswith(start)}
    layers = sorted({name.rpartition(".")[0] for name in in_head})
    if not layers:
        raise WeightsRefused(f"The weights of {architecture} have no classifier ({head}.weight).")
    if len(layers) > 1:
        count = {2: "two", 3: "three"}.get(len(layers), str(len(layers)))
        names = ", ".join(_told(one, 30) for one in layers[:4])
        raise WeightsRefused(
            f"The classifier has {count} layers ({names}); topfive reads one linear layer."
        )
    weight = _check_head(_told(layers[0]), in_head.get(f"{layers[0]}.weight"))
    bias = in_head.get(f"{layers[0]}.bias", torch.zeros(weight.shape[0]))
    rest = {name: one for name, one in tensors.items() if name not in in_head}
    return rest | {f"{head}.weight": weight, f"{head}.bias": bias}


def _check_head(layer: str, weight: torch.Tensor | None) -> torch.Tensor:
    """Give the classifier's weight back, looked at before anything of its size is made."""
    if weight is None or weight.ndim != 2:
        raise WeightsRefused(
            f"The classifier ({layer}) is not a linear layer; topfive reads one linear layer."
        )
    if not 1 <= weight.shape[0] <= MAX_CLASSES:
        raise WeightsRefused(
            f"The classifier ({layer}) has {weight.shape[0]} classes; topfive takes 1 to "
            f"{MAX_CLASSES}."
        )
    return weight


def _check_shapes(tensors: StateDict, expected: StateDict, architecture: str) -> None:
    differing = list(_differences(tensors, expected))
    if differing:
        further = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise WeightsRefused(
            f"These look like {readable_name(architecture)} weights, but {differing[0]}{further}. "
            f"topfive takes {architecture} as torchvision has it."
        )


def _differences(tensors: StateDict, expected: StateDict) -> Iterator[str]:
    for name, other in expected.items():
        if name not in tensors:
            yield f"{name} is missing"
        elif tensors[name].shape != other.shape:
            yield f"{name} has the shape {_shape(tensors[name])}, not {_shape(other)}"
    yield from (f"{_told(name)} is not part of it" for name in tensors if name not in expected)


def _check_values(tensors: StateDict) -> None:
    for name, tensor in tensors.items():
        if not name.endswith(_COUNTER) and not _is_plain(tensor):
            raise WeightsRefused(
                f"The weights are not kept as plain numbers (in {name}: {_form(tensor)}). "
                "Save them as float32."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsRefused(
                f"The weights hold values that are not numbers (in {name}): the training has "
                "failed. Take an earlier checkpoint."
            )


def _is_plain(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor holds all its numbers, each as a float that any engine reads."""
    return (
        tensor.dtype in _PLAIN_TYPES
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
    )


def _form(tensor: torch.Tensor) -> str:
    parts = tensor.dtype, tensor.layout, tensor.device.type
    return ", ".join(str(one).removeprefix("torch.") for one in parts)


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "of one number"
