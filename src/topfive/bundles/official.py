"""torchvision's official weights, known here without torch: where they lie, and their recipe.

A model has an official name only if its weights, labels and recipe are the official ones.
"""

from dataclasses import dataclass

from topfive.input_recipe import InputRecipe

IMAGENET_CLASSES = 1000
# Of labels.txt with the names that torchvision gives to ImageNet's classes.
IMAGENET_LABELS_SHA256 = "ee4fa67b1dd46919ef87529b70e25bdd1ec9ebd350de3ad426e6640eb70320a1"

_ADDRESS = "https://download.pytorch.org/models/"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_V1 = InputRecipe(resize=256, crop=224, mean=_MEAN, std=_STD)
_V2 = InputRecipe(resize=232, crop=224, mean=_MEAN, std=_STD)


@dataclass(frozen=True, slots=True)
class OfficialWeights:
    """One of torchvision's weights files; `version` is torchvision's name for it."""

    architecture: str
    version: str
    url: str
    input: InputRecipe

    @property
    def sha256_prefix(self) -> str:
        """The first 8 digits of the file's sha256: torchvision ends the file's name with them."""
        return self.url.rpartition("-")[2].removesuffix(".pth")


# The last of an architecture is the one that is served.
OFFICIAL_WEIGHTS = (
    OfficialWeights("mobilenet_v2", "imagenet1k-v1", f"{_ADDRESS}mobilenet_v2-b0353104.pth", _V1),
    OfficialWeights("mobilenet_v2", "imagenet1k-v2", f"{_ADDRESS}mobilenet_v2-7ebf99e0.pth", _V2),
    OfficialWeights("resnet50", "imagenet1k-v1", f"{_ADDRESS}resnet50-0676ba61.pth", _V1),
    OfficialWeights("resnet50", "imagenet1k-v2", f"{_ADDRESS}resnet50-11ad3fa6.pth", _V2),
)
OFFICIAL_ARCHITECTURES = tuple(dict.fromkeys(one.architecture for one in OFFICIAL_WEIGHTS))
# No model of one's own may have one of these; `digits` is shipped inside.
OFFICIAL_NAMES = (*OFFICIAL_ARCHITECTURES, "digits")


def official_weights(architecture: str) -> OfficialWeights:
    """Tell the official weights of an architecture; raises KeyError if it has none."""
    return {one.architecture: one for one in OFFICIAL_WEIGHTS}[architecture]


def recognise_official(architecture: str, sha256: str) -> OfficialWeights | None:
    """Tell which of an architecture's official weights have this sha256, in hex, if any."""
    for one in OFFICIAL_WEIGHTS:
        if one.architecture == architecture and sha256.startswith(one.sha256_prefix):
            return one
    return None


def is_impostor(name: str, source: str) -> bool:
    """Tell a bundle that has an architecture's official name, but not its official weights."""
    urls = {one.url for one in OFFICIAL_WEIGHTS if one.architecture == name}
    return name in OFFICIAL_ARCHITECTURES and source not in urls
