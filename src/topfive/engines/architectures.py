"""torchvision's classifiers by name; reading this needs no torch."""

from collections.abc import Iterable
from difflib import get_close_matches

from topfive.errors import SettingsError, WeightsRefused

# All that torchvision.models.list_models(module=torchvision.models) names.
ARCHITECTURES: tuple[str, ...] = (
    "alexnet",
    "convnext_base", "convnext_large", "convnext_small", "convnext_tiny",
    "densenet121", "densenet161", "densenet169", "densenet201",
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
    "efficientnet_v2_l", "efficientnet_v2_m", "efficientnet_v2_s",
    "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    "regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf",
    "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf",
    "regnet_y_3_2gf", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf",
    "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1",
    "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32",
    "wide_resnet101_2", "wide_resnet50_2",
)  # fmt: skip

# As torchvision builds them where it loads its own weights: the second head is for training alone.
_INCEPTION = {"transform_input": True, "aux_logits": False, "init_weights": False}
_FIXED_OPTIONS = {"googlenet": _INCEPTION, "inception_v3": _INCEPTION}
# torchvision builds it for pictures of 224 x 224, in windows of 7 x 7.
_ONLY_SIDES = {"maxvit_t": 224}
_MOST_NAMED = 3
# How all of them are named in a message.
KNOWN_ARCHITECTURES = "torchvision's classifiers, such as mobilenet_v2 (docs/architectures.md)"


def fixed_options(architecture: str) -> dict[str, float]:
    """Tell with which options an architecture is built, whatever else is asked for."""
    return dict(_FIXED_OPTIONS.get(architecture, {}))


def architecture_options(architecture: str, side: int) -> dict[str, float]:
    """Tell with which options an architecture takes pictures of `side` x `side` pixels.

    Most take any. Raises SettingsError where one does not.
    """
    only = _ONLY_SIDES.get(architecture, side)
    if side != only:
        raise SettingsError(
            f"{architecture} takes pictures of {only} x {only} pixels alone, not {side} x {side}."
        )
    if not architecture.startswith("vit_"):
        return {}
    patch = int(architecture.rpartition("_")[2])
    if side % patch:
        raise SettingsError(
            f"{architecture} cuts pictures into squares of {patch} pixels: a crop of {side} is no "
            f"multiple of {patch}. Set TOPFIVE_INPUT_CROP (--crop) to one that is."
        )
    return {"image_size": side}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known names that are nearest to `name`; empty where none is near."""
    near = get_close_matches(name.lower()[:200], sorted(known), n=_MOST_NAMED)
    return f"Did you mean {' or '.join(near)}?" if near else ""


def require_known(name: str) -> None:
    """Do nothing for a known architecture; raises WeightsRefused for any other."""
    if name not in ARCHITECTURES:
        parts = (
            f"There is no model {name!r} to pull.",
            did_you_mean(name, ARCHITECTURES),
            f"Known: {KNOWN_ARCHITECTURES}.",
        )
        raise WeightsRefused(" ".join(filter(None, parts)))
