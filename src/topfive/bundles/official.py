"""torchvision's official weights, known here without torch: where they lie, and their recipe.

A model has an official name only if its weights, labels and recipe are the official ones. All is
read from official_weights.json, which docs/list_architectures.py writes as torchvision has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from topfive.input_recipe import InputRecipe

IMAGENET_CLASSES = 1000
# Of labels.txt with the names that torchvision gives to ImageNet's classes.
IMAGENET_LABELS_SHA256 = "ee4fa67b1dd46919ef87529b70e25bdd1ec9ebd350de3ad426e6640eb70320a1"
OFFICIAL_FILE = Path(__file__).with_name("official_weights.json")


@dataclass(frozen=True, slots=True)
class OfficialWeights:
    """One of torchvision's weights files; `version` is torchvision's name for it."""

    architecture: str
    version: str
    url: str
    input: InputRecipe

    @property
    def sha256_prefix(self) -> str:
        """The first digits of the file's sha256: torchvision ends the file's name with them."""
        return self.url.rpartition("-")[2].removesuffix(".pth")


def _read_weights(architectures: Mapping[str, Any]) -> Iterator[OfficialWeights]:
    for architecture, known in architectures.items():
        for one in known["weights"]:
            recipe = InputRecipe.model_validate(one["input"])
            yield OfficialWeights(architecture, one["version"], one["url"], recipe)


_ARCHITECTURES: Mapping[str, Any] = from_json(OFFICIAL_FILE.read_bytes())

# The last of an architecture is the one that is served.
OFFICIAL_WEIGHTS = tuple(_read_weights(_ARCHITECTURES))
OFFICIAL_ARCHITECTURES = tuple(_ARCHITECTURES)
# By architecture: a digest of its tensors' names and shapes, as `training.recognition` makes it.
OFFICIAL_SHAPES = {name: str(known["shapes"]) for name, known in _ARCHITECTURES.items()}
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
