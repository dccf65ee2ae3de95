"""Which architecture a state dict looks like, by its tensors' names and shapes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from topfive.bundles.official import OFFICIAL_SHAPES

StateDict = dict[str, torch.Tensor]
Tensors = Mapping[str, torch.Tensor]

# What a model of other classes, or for pictures of another size, has otherwise.
_VARYING = (
    "fc.", "classifier.", "head.", "heads.", "aux1.", "aux2.", "AuxLogits.",
    "encoder.pos_embedding",
)  # fmt: skip
_COUNTER = "num_batches_tracked"
_DIGITS = 12
_RESNETS: dict[tuple[str, tuple[int, ...]], str] = {
    ("basic", (2, 2, 2, 2)): "ResNet-18",
    ("basic", (3, 4, 6, 3)): "ResNet-34",
    ("bottleneck", (3, 4, 6, 3)): "ResNet-50",
    ("bottleneck", (3, 4, 23, 3)): "ResNet-101",
    ("bottleneck", (3, 8, 36, 3)): "ResNet-152",
}
_DENSENETS = {
    1024: "DenseNet-121",
    2208: "DenseNet-161",
    1664: "DenseNet-169",
    1920: "DenseNet-201",
}
_VITS = {384: "ViT-S", 768: "ViT-B", 1024: "ViT-L", 1280: "ViT-H"}


@dataclass(frozen=True, slots=True)
class _Mark:
    """Tensors that an architecture has, and how its variant is called."""

    tensors: tuple[str, ...]
    name: Callable[[Tensors], str]


def shapes_digest(tensors: Tensors) -> str:
    """Compute a digest of tensors' names and shapes, whatever their classes: 12 hex digits."""
    lines = sorted(
        f"{name} {tuple(tensor.shape)}\n"
        for name, tensor in tensors.items()
        if not name.startswith(_VARYING) and not name.endswith(_COUNTER)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:_DIGITS]


def recognise(tensors: Tensors) -> str | None:
    """Tell which of torchvision's architectures tensors are of, if any; by what it calls it."""
    digest = shapes_digest(tensors)
    return next((name for name, one in OFFICIAL_SHAPES.items() if one == digest), None)


def told(name: object, most_characters: int = 60) -> str:
    """Shorten a name for a message; what could steer a terminal is left out."""
    return "".join(one for one in str(name)[:most_characters] if one.isprintable())


def told_shape(tensor: torch.Tensor) -> str:
    """Write a tensor's shape for a message."""
    return " x ".join(map(str, tensor.shape)) or "of one number"


def look_alike(tensors: Tensors) -> str | None:
    """Name the architecture that tensors look like, as people write it; None if it is not known."""
    for mark in _MARKS:
        if all(name in tensors for name in mark.tensors):
            return mark.name(tensors)
    return None


def _called(name: str) -> Callable[[Tensors], str]:
    return lambda _: name


def _resnet(tensors: Tensors) -> str:
    is_bottleneck = "layer1.0.conv3.weight" in tensors
    counts = tuple(_count_blocks(tensors, f"layer{number}") for number in (1, 2, 3, 4))
    name = _RESNETS.get(("bottleneck" if is_bottleneck else "basic", counts), "ResNet")
    width = _length(tensors, "layer1.0.conv1.weight", 0)
    if not is_bottleneck or width == 64:
        return name
    is_grouped = _length(tensors, "layer1.0.conv2.weight", 1) < width
    return name.replace("ResNet", "ResNeXt" if is_grouped else "Wide ResNet")


def _length(tensors: Tensors, name: str, axis: int) -> int:
    """Read how long a tensor is along an axis; 0 if it has no such axis."""
    shape = tensors[name].shape
    return shape[axis] if -len(shape) <= axis < len(shape) else 0


def _count_blocks(tensors: Tensors, layer: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{layer}.")})


def _mobilenet_v3(tensors: Tensors) -> str:
    return "MobileNetV3-Large" if "features.16.0.weight" in tensors else "MobileNetV3-Small"


def _densenet(tensors: Tensors) -> str:
    return _DENSENETS.get(_length(tensors, "features.norm5.weight", 0), "DenseNet")


def _vit(patches: str) -> Callable[[Tensors], str]:
    def name(tensors: Tensors) -> str:
        width, side = _length(tensors, patches, 0), _length(tensors, patches, -1)
        return f"{_VITS.get(width, 'ViT')}/{side}"

    return name


def _plain_stack(tensors: Tensors) -> str:
    return "AlexNet" if _length(tensors, "features.0.weight", -1) == 11 else "VGG"


# In this order: what comes first has tensors that those below may have too.
_MARKS = (
    _Mark(("conv1.weight", "layer1.0.conv1.weight", "layer4.0.conv1.weight",
           "layer1.0.conv2.weight"), _resnet),
    _Mark(("features.0.0.weight", "features.1.conv.0.0.weight"), _called("MobileNetV2")),
    _Mark(("features.0.0.weight", "features.1.block.0.0.weight"), _mobilenet_v3),
    _Mark(("features.0.0.weight", "features.1.0.layer_scale"), _called("ConvNeXt")),
    _Mark(("features.0.0.weight", "features.1.0.block.0.0.weight"), _called("EfficientNet")),
    _Mark(("features.0.0.weight", "features.1.0.attn.qkv.weight"), _called("Swin Transformer")),
    _Mark(("features.conv0.weight", "features.norm5.weight"), _densenet),
    _Mark(("class_token", "conv_proj.weight"), _vit("conv_proj.weight")),
    _Mark(("cls_token", "patch_embed.proj.weight"), _vit("patch_embed.proj.weight")),
    _Mark(("features.0.weight", "features.3.squeeze.weight"), _called("SqueezeNet")),
    _Mark(("features.0.weight", "classifier.6.weight"), _plain_stack),
    _Mark(("Conv2d_1a_3x3.conv.weight",), _called("Inception v3")),
    _Mark(("inception3a.branch1.conv.weight",), _called("GoogLeNet")),
    _Mark(("stage2.0.branch1.0.weight",), _called("ShuffleNetV2")),
    _Mark(("trunk_output.block1.block1-0.f.a.0.weight",), _called("RegNet")),
    _Mark(("layers.0.weight", "layers.8.0.layers.0.weight"), _called("MNASNet")),
    _Mark(("stem.0.0.weight", "blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight"),
          _called("MaxViT")),
    _Mark(("stem.0.weight", "stages.0.blocks.0.gamma"), _called("timm ConvNeXt")),
    _Mark(("conv_stem.weight", "blocks.0.0.conv_dw.weight"), _called("timm EfficientNet")),
)  # fmt: skip
