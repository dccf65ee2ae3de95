"""From what people save to what an architecture takes: unwrapped, renamed, with one linear head."""

import re
from collections.abc import Iterator, Mapping
from math import isqrt
from typing import TypeGuard

import torch

from topfive.engines.architectures import architecture_options
from topfive.engines.torchvision_models import build_module
from topfive.errors import WeightsRefused
from topfive.training.heads import find_head, put_head
from topfive.training.recognition import StateDict, look_alike, recognise, told, told_shape

__all__ = ["PREFIXES", "WRAPPERS", "StateDict", "fit_architecture", "unwrap"]

# Under these a checkpoint keeps its weights, beside the epoch, the optimizer and the like. Where
# there are several, the first of these is taken.
WRAPPERS = (
    "state_dict", "model_state_dict", "model", "net", "ema", "model_ema", "ema_state_dict",
)  # fmt: skip
# What wraps a model puts one of these before all its tensors' names.
PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.", "net.")

# Of wrappers within wrappers, and of prefixes; a dictionary may even hold itself.
_MOST_LAYERS = 16

# As torchvision's own files and others of before call some of DenseNet's and ViT's tensors: its
# functions that load them have the same.
_OLDER_NAMES = (
    (r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$", r"\1\2"),
    (r"^(encoder\.layers\.encoder_layer_\d+\.mlp)\.linear_1\.", r"\1.0."),
    (r"^(encoder\.layers\.encoder_layer_\d+\.mlp)\.linear_2\.", r"\1.3."),
)
_PLACES = "encoder.pos_embedding"
# Inception's and GoogLeNet's further classifiers.
_FOR_TRAINING = ("aux1.", "aux2.", "AuxLogits.")
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


def fit_architecture(tensors: StateDict, architecture: str, side: int) -> tuple[StateDict, int]:
    """Bring named tensors into the form that torchvision's architecture takes.

    `side` is that of the pictures, in pixels. Returns them and the number of classes. Raises
    WeightsRefused, naming what they look like and what was expected, if they are not of this
    architecture, or their classifier is not as torchvision has it.
    """
    current = _in_current_form(tensors)
    known = recognise(current)
    if known not in (None, architecture):
        raise WeightsRefused(
            f"These look like {look_alike(current) or known} weights, and are not of "
            f"{architecture}. Set TOPFIVE_MODEL={known}."
        )
    module = build_module(architecture, architecture_options(architecture, side), 1)
    expected: StateDict = module.state_dict()
    head = find_head(module, architecture)
    if known is None:
        _require_likeness(current, expected, architecture)
    renamed, classes = put_head(current, head)
    for name, tensor in expected.items():
        # Older versions of torch did not count batches.
        if name.endswith(_COUNTER):
            renamed.setdefault(name, tensor)
        elif head.has(name):
            # A view: it has a shape, and takes no memory.
            expected[name] = tensor[:1].expand(classes, *tensor.shape[1:])
    _check_shapes(renamed, expected, architecture)
    tables = {name: one for name, one in expected.items() if _is_table(name, one)}
    _check_values({name: one for name, one in renamed.items() if name not in tables})
    # What is no number that was trained, as a table of places, is what the architecture says.
    return renamed | tables, classes


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
    keys = ", ".join(told(key, 20) for key in list(content)[:5]) or "nothing"
    return f"It holds: {keys}. Save one with torch.save(model.state_dict(), ...)."


def _without_prefixes(tensors: StateDict) -> StateDict:
    for _ in range(_MOST_LAYERS):
        prefix = next(
            (one for one in PREFIXES if all(name.startswith(one) for name in tensors)), ""
        )
        tensors = {name.removeprefix(prefix): one for name, one in tensors.items()}
    return tensors


def _in_current_form(tensors: StateDict) -> StateDict:
    """Name tensors as torchvision does now, and leave out what is for training alone."""
    renamed = {}
    for name, tensor in tensors.items():
        if not name.startswith(_FOR_TRAINING):
            renamed[_current_name(name)] = tensor
    return renamed


def _current_name(name: str) -> str:
    for pattern, replacement in _OLDER_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _require_likeness(tensors: StateDict, expected: StateDict, architecture: str) -> None:
    """Do nothing if tensors are of the same kind; raises WeightsRefused if they are not."""
    likeness = look_alike(tensors)
    if likeness is None:
        raise WeightsRefused(
            f"The weights are not of {architecture}, nor of any other model that is known here. "
            f"{_expectation(tensors, expected, architecture)}"
        )
    if likeness != look_alike(expected):
        raise WeightsRefused(
            f"These look like {likeness} weights, and are not of {architecture}, nor of any other "
            f"model as torchvision has it. {_expectation(tensors, expected, architecture)}"
        )


def _expectation(tensors: StateDict, expected: StateDict, architecture: str) -> str:
    first, shape = next(iter(expected.items()))
    found = [f"{told(name, 40)} ({told_shape(one)})" for name, one in tensors.items()] or ["none"]
    return f"{architecture} has {first} ({told_shape(shape)}) first, these have {found[0]}."


def _check_shapes(tensors: StateDict, expected: StateDict, architecture: str) -> None:
    _check_side(tensors, expected, architecture)
    differing = list(_differences(tensors, expected))
    if differing:
        further = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        likeness = look_alike(expected) or architecture
        raise WeightsRefused(
            f"These look like {likeness} weights, but {differing[0]}{further}. "
            f"topfive takes {architecture} as torchvision has it."
        )


def _check_side(tensors: StateDict, expected: StateDict, architecture: str) -> None:
    """Tell a ViT for pictures of another size: it has a row for each square, and one more."""
    places, wanted = tensors.get(_PLACES), expected.get(_PLACES)
    if places is None or wanted is None or places.ndim != 3 or places.shape[1] == wanted.shape[1]:
        return
    side = isqrt(max(0, places.shape[1] - 1)) * expected["conv_proj.weight"].shape[-1]
    if side:
        raise WeightsRefused(
            f"These weights of {architecture} are for pictures of {side} x {side} pixels. Set "
            f"TOPFIVE_INPUT_CROP={side} (--crop {side}), and TOPFIVE_INPUT_RESIZE (--resize) to "
            "what they were trained with."
        )


def _differences(tensors: StateDict, expected: StateDict) -> Iterator[str]:
    for name, other in expected.items():
        if name not in tensors:
            yield f"{name} is missing"
        elif tensors[name].shape != other.shape:
            yield f"{name} has the shape {told_shape(tensors[name])}, not {told_shape(other)}"
    yield from (f"{told(name)} is not part of it" for name in tensors if name not in expected)


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


def _is_table(name: str, tensor: torch.Tensor) -> bool:
    return not (name.endswith(_COUNTER) or tensor.is_floating_point())


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
