"""The settings of models: of their bundles, their input and their engine."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from topfive.bundles.manifest import check_name
from topfive.bundles.recipe import RecipeOptions
from topfive.bundles.versions import check_version, split_reference
from topfive.engines.contract import EngineOptions
from topfive.redis_client import check_redis_url
from topfive.settings.values import (
    OptionalInt,
    OptionalMean,
    OptionalPath,
    OptionalStd,
    SettingsGroup,
    Word,
    empty_is_none,
    split_list,
)
from topfive.stores.address import parse_store


class ModelSettings(SettingsGroup):
    """Which models there are, where they come from, and what runs them."""

    model: str = Field(
        "mobilenet_v2",
        min_length=1,
        description="The model to serve: any of torchvision's classifiers, such as `mobilenet_v2`, "
        "`resnet50` or `efficientnet_b0` (docs/architectures.md lists them), `digits` (shipped "
        "inside, knows the ten digits), the name of a model of your own, or the path of a bundle "
        "directory. `NAME@VERSION` means one version, which may also be "
        "`sha256:` and digits of a bundle's digest. Where WEIGHTS is set: the architecture they "
        "are of, and what version that makes.",
    )
    models: str = Field(
        "",
        description="Further models that are loaded at the start and stay loaded, separated by "
        "commas: `NAME`, `NAME@VERSION` or paths of bundle directories. `/predict?model=` picks "
        "one. Empty: none.",
    )
    fallback_model: str = Field(
        "",
        description="The model that stands in while an official one cannot be downloaded, for "
        "example `digits`. It never stands in for weights of your own. Empty: none. `make run` "
        "sets `digits`.",
    )
    weights: str = Field(
        "",
        description="Where MODEL's weights come from instead of torchvision's official ones: a "
        "local `.pth` or `.safetensors` file, or an http(s) URL of one, which is downloaded once. "
        "It makes a model of your own, unless the file is the official one.",
    )
    model_name: str = Field(
        "",
        description="What a model of your own is called: small letters, digits, `.`, `_` and `-`. "
        "Empty: as its weights' file. An official name is for the official weights alone.",
    )
    labels: OptionalPath = Field(
        None,
        description="A text file with one class name a line, for WEIGHTS with classes of your "
        "own. Empty: ImageNet's names.",
    )
    input_resize: OptionalInt = Field(
        None,
        ge=1,
        le=4096,
        description="The length in pixels to which a picture's shorter side is resized, where "
        "WEIGHTS were trained with another than torchvision's for MODEL (`mobilenet_v2`: 232).",
    )
    input_crop: OptionalInt = Field(
        None,
        ge=1,
        le=4096,
        description="The side in pixels of the square that is then cut from the middle. Empty: "
        "torchvision's for MODEL (`mobilenet_v2`: 224).",
    )
    input_mean: OptionalMean = Field(
        None,
        description="The mean that is taken off each RGB channel of 0 to 1, as in `0.5,0.5,0.5`. "
        "Empty: torchvision's for MODEL (mostly `0.485,0.456,0.406`).",
    )
    input_std: OptionalStd = Field(
        None,
        description="The standard deviation by which each channel is then divided. Empty: "
        "torchvision's for MODEL (mostly `0.229,0.224,0.225`).",
    )
    input_interpolation: Annotated[
        Literal["nearest", "bilinear", "bicubic"] | None, BeforeValidator(empty_is_none), Word
    ] = Field(None, description="How pictures are resized: `nearest`, `bilinear` or `bicubic`. "
              "Empty: torchvision's for MODEL (mostly `bilinear`).")  # fmt: skip
    models_dir: Path = Field(
        Path("models"), description="The directory in which bundles are made and looked for."
    )
    model_memory_bytes: OptionalInt = Field(
        None,
        ge=1,
        le=1 << 46,
        description="The most bytes that loaded models may take in one worker. Empty: a share of "
        "the memory. Where another is to be loaded, those used least recently are unloaded, but "
        "never one that is routed or named in MODEL or MODELS.",
    )
    model_store: str = Field(
        "",
        description="Where bundles come from that are not in MODELS_DIR: a directory, `https://` "
        "(a web server with an `index.json`), `s3://`, `gs://` or `az://`; each cloud needs its "
        "extra. Credentials come from the cloud's own variables, files or roles. Empty: none.",
        repr=False,
    )
    model_store_ttl_s: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="After so many seconds it is looked again which bundles MODEL_STORE has.",
    )
    model_state: str = Field(
        "",
        description="Where orders about models are kept (`/models`): `redis://HOST:6379`, or "
        "`rediss`, `valkey`, `valkeys`, for a store that machines of the same settings share. "
        "Empty: in MODELS_DIR, for all workers of this machine.",
        repr=False,
    )
    engine: Annotated[Literal["auto", "openvino", "torch"], Word] = Field(
        "auto",
        description="What runs the model: `openvino` (CPU), `torch` (the reference; CUDA), or "
        "`auto`: torch where there is a CUDA device, else OpenVINO.",
    )
    precision: Annotated[Literal["auto", "f32", "bf16", "int8"], Word] = Field(
        "auto",
        description="How the engine computes: `f32`, `bf16`, or `int8`, of which a bundle must "
        "have a graph (`topfive quantize`). `auto` takes int8 where the bundle has it, the CPU "
        "computes in it (VNNI, AMX) and it was measured to be faster, else bf16 where the CPU has "
        "it, else f32; each only where the model agrees with its reference.",
    )

    @field_validator("model_name")
    @classmethod
    def _model_name_can_be_used(cls, name: str) -> str:
        return check_name(name) if name else name

    @field_validator("model", "models")
    @classmethod
    def _versions_can_be_read(cls, text: str) -> str:
        for one in split_list(text):
            version = split_reference(one)[1]
            if version is not None:
                check_version(version)
        return text

    @field_validator("model_store")
    @classmethod
    def _model_store_can_be_one(cls, text: str) -> str:
        if text:
            parse_store(text)
        return text

    @field_validator("model_state")
    @classmethod
    def _state_can_be_used(cls, url: str) -> str:
        if url:
            check_redis_url(url)
        return url

    @property
    def further_models(self) -> tuple[str, ...]:
        """What is named in `models`, each once."""
        return tuple(dict.fromkeys(split_list(self.models)))

    @property
    def recipe(self) -> RecipeOptions:
        """What is changed of the model's input recipe."""
        return RecipeOptions(
            resize=self.input_resize,
            crop=self.input_crop,
            interpolation=self.input_interpolation,
            mean=self.input_mean,
            std=self.input_std,
        )

    def engine_options(self, slots: int, batch_slots: int = 1) -> EngineOptions:
        """Which engine to use, for `slots` inferences at once, and `batch_slots` of a batch."""
        return EngineOptions(self.engine, self.precision, slots, batch_slots)
