"""What `bundle.json` says: everything about a model but its numbers."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from topfive.errors import BundleRefused
from topfive.input_recipe import InputRecipe

MANIFEST_FILE = "bundle.json"
LABELS_FILE = "labels.txt"
WEIGHTS_FILE = "weights.safetensors"
GRAPH_FILE = "model.xml"
GRAPH_WEIGHTS_FILE = "model.bin"
GOLDEN_FILE = "golden.png"
GOLDEN_LOGITS_FILE = "golden.safetensors"
# Of a model that was trained here: how well it does, and which photo was for what.
EVALUATION_FILE = "evaluation.json"
SPLIT_FILE = "split.csv"
# Of one that was trained on from another version: how both do on the same photos.
COMPARISON_FILE = "comparison.json"
# The second graph of a bundle that was quantized.
INT8_GRAPH_FILE = "model.int8.xml"
INT8_GRAPH_WEIGHTS_FILE = "model.int8.bin"

# What is made now; bundles of the first layout have no heatmap, and are read all the same.
LAYOUT: Literal[2] = 2

MAX_CLASSES = 100_000
# Loading runs each of them at once.
MAX_GOLDEN_INPUTS = 64
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"

# A file lies in the bundle's own folder, and no name leads out of it.
_FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
FileName = Annotated[str, Field(pattern=_FILE_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def check_name(name: str) -> str:
    """Give a name back that a bundle can have; raises ValueError for any other."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            "a name has small letters, digits, `.`, `_` and `-`, begins with a letter or digit and "
            "is at most 64 long"
        )
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GoldenClass(_Part):
    """One of the reference's top five classes for the golden input."""

    class_id: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)


class GoldenSection(_Part):
    """What the reference says of the golden picture, best class first.

    `inputs` names the golden inputs, made from the picture, whose logits are kept in
    GOLDEN_LOGITS_FILE; older bundles have none.
    """

    top_five: tuple[GoldenClass, ...] = Field(min_length=1, max_length=5)
    inputs: tuple[str, ...] = Field((), max_length=MAX_GOLDEN_INPUTS)


class HeatmapSection(_Part):
    """How to see where a class is: features from the graph, weighted as that class weights them.

    `output` names the graph's output of features, (1, height, width, channels), before they are
    pooled. The weights of the last layer, (classes, channels), lie in GRAPH_WEIGHTS_FILE from
    `offset_bytes` on, row by row, as little-endian numbers of `dtype`.
    """

    output: str = Field(min_length=1, max_length=200)
    offset_bytes: int = Field(ge=0)
    dtype: Literal["f32", "f16"]
    channels: int = Field(ge=1)


class TrainingSection(_Part):
    """How a model was trained: `base` is what it began as, `recipe` every choice, seed included.

    `data_sha256` is the dataset's digest, `photos` counts those of each part, and `parent` is the
    version, `name@version`, that it was trained on from; empty: none.
    """

    base: str
    recipe: dict[str, JsonValue]
    data_sha256: Sha256
    photos: dict[str, int]
    parent: str = ""
    made_with: dict[str, str] = {}


class CalibrationSection(_Part):
    """By what the last layer was divided, so that a confidence of 0.8 is right 8 times in 10.

    The errors are expected calibration errors, measured on `photos` held-out photos.
    """

    temperature: float = Field(gt=0)
    error_before: float = Field(ge=0, le=1)
    error_after: float = Field(ge=0, le=1)
    photos: int = Field(ge=0)


class ComparisonSection(_Part):
    """How a model that was trained on does beside the `baseline`, on photos neither learned from.

    The baseline is `name@version`, known by its digest. `photos` are those that both classified,
    `former_here` of them are among the `former_photos` that the baseline was measured on when it
    was made. `top1_before` is the baseline's share of right answers; `is_better` says that
    `top1_after` is higher beyond what chance explains.
    """

    baseline: str
    digest: Sha256
    photos: int = Field(ge=1)
    former_photos: int = Field(ge=0)
    former_here: int = Field(ge=0)
    top1_before: float = Field(ge=0, le=1)
    top1_after: float = Field(ge=0, le=1)
    p_value: float = Field(ge=0, le=1)
    is_better: bool


class Int8Section(_Part):
    """The second graph, INT8_GRAPH_FILE, in int8: made by calibrating on `calibration_photos`.

    `made_of` is the version, `name@version`, that it was made of. `measured` is a table by
    precision, of `top1` and `top5` over `held_out_photos`, and more.
    """

    made_of: str = ""
    calibration_photos: int = Field(ge=1)
    held_out_photos: int = Field(ge=0)
    measured: dict[str, dict[str, float]]
    made_with: dict[str, str] = {}


class ImportSection(_Part):
    """How a model of another format was taken in: its graph's own order of channels and axes.

    `reference` is what computed the golden logits, with its version. `output` is what the model's
    file gives: `logits`, these with a `softmax` behind them, which is left out here, or
    `probabilities`, of which the logarithm is taken.
    """

    reference: str
    channels: Literal["rgb", "bgr"]
    layout: Literal["nchw", "nhwc"]
    output: Literal["logits", "softmax", "probabilities"]


class Manifest(_Part):
    """The content of `bundle.json`; `files` gives the sha256 of every other file."""

    layout: Literal[1, 2] = 1
    name: Name
    version: Name
    architecture: str
    architecture_options: dict[str, int | float] = {}
    classes: int = Field(ge=1, le=MAX_CLASSES)
    input: InputRecipe
    source: str
    created: str
    files: dict[FileName, Sha256]
    metrics: dict[str, float] = {}
    golden: GoldenSection
    heatmap: HeatmapSection | None = None
    training: TrainingSection | None = None
    calibration: CalibrationSection | None = None
    comparison: ComparisonSection | None = None
    int8: Int8Section | None = None
    imported: ImportSection | None = None

    @property
    def reference(self) -> str:
        """The bundle as a command names it: `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def is_held_back(self) -> bool:
        """Whether it was trained on and not found better: only who names its version gets it."""
        return self.comparison is not None and not self.comparison.is_better

    @model_validator(mode="after")
    def _what_is_read_has_a_hash(self) -> Self:
        if self.golden.inputs and GOLDEN_LOGITS_FILE not in self.files:
            raise ValueError(f"it gives no hash for {GOLDEN_LOGITS_FILE}")
        for name in (INT8_GRAPH_FILE, INT8_GRAPH_WEIGHTS_FILE) if self.int8 else ():
            if name not in self.files:
                raise ValueError(f"it gives no hash for {name}")
        return self

    @model_validator(mode="after")
    def _golden_classes_exist(self) -> Self:
        if any(one.class_id >= self.classes for one in self.golden.top_five):
            raise ValueError(f"the golden answer names a class beyond the {self.classes} there are")
        return self


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """Read a manifest; `where` names the file in messages.

    Raises BundleRefused with every problem found.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()
        )
        raise BundleRefused(f"{where} is not a bundle manifest: {problems}") from error
