"""Every choice of a training, with defaults that suit some hundred to some thousand photos."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from topfive.bundles.recipe import RecipeOptions, change_recipe
from topfive.errors import SettingsError
from topfive.input_recipe import Channels, InputRecipe
from topfive.training.recipe_files import read_toml

# What counts without end is a mistake, and torch takes no number above 2^63.
_MOST_EPOCHS = 100_000

Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augmentation(_Part):
    """How photos are varied while a network learns from them; 0 and false leave a variation out.

    `crop_scale` is the share of a photo's area that is cut out, `crop_ratio` its width by height.
    `blur`, `invert`, `grey` and `erase` are chances. `translation` is a share of the side, `noise`
    a standard deviation of values from 0 to 1, `elastic` the most pixels that a point is moved of
    a picture 100 wide. All grow from nothing to full strength over `ramp_share` of the epochs.
    """

    crop_scale: Range = (0.35, 1.0)
    crop_ratio: Range = (0.75, 1.3333)
    flip: bool = True
    rotation_degrees: float = Field(default=0, ge=0, le=180)
    shear_degrees: float = Field(default=0, ge=0, le=60)
    translation: Share = 0
    scale: Range = (1.0, 1.0)
    elastic: float = Field(default=0, ge=0, le=20)
    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2
    hue: float = Field(default=0, ge=0, le=0.5)
    blur: Share = 0
    noise: Share = 0
    invert: Share = 0
    grey: Share = 0
    erase: Share = 0
    ramp_share: Share = 0

    @model_validator(mode="after")
    def _ranges_go_up(self) -> Self:
        for name in ("crop_scale", "crop_ratio", "scale"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} goes from {low} down to {high}")
        if self.crop_scale[1] > 1:
            raise ValueError("crop_scale is a share of the photo, at most 1")
        return self


class InputChanges(_Part):
    """What is changed of the base's input recipe; what is left out stays as the base has it."""

    resize: int | None = Field(default=None, ge=1, le=4096)
    crop: int | None = Field(default=None, ge=1, le=4096)
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = None
    mean: Channels | None = None
    std: Channels | None = None

    def change(self, base: InputRecipe) -> InputRecipe:
        """Apply the changes; raises SettingsError if the parts do not go together."""
        return change_recipe(base, RecipeOptions(**self.model_dump()))


class TrainingRecipe(_Part):
    """How a network is trained; the same recipe, photos, threads and libraries give the same one.

    The last layer learns first, for up to `head_epochs`, of what the frozen network says of each
    photo; then all layers learn, for up to `epochs`. On a CPU no more than `most_cpu_photos` are
    shown in the second phase (0: no bound). Both end early when the validation has not improved
    for `patience` epochs, of the last layer for 10 (0: never). `average_decay` above 0 keeps a
    running average of the weights. `freeze_norms` leaves batch statistics as the base has them.
    `threads` are those of a CPU (0: as many as there are).
    """

    seed: int = Field(default=0, ge=0, lt=2**32)
    threads: int = Field(default=0, ge=0, le=256)
    pretrained: bool = True
    architecture_options: dict[str, float] = {}
    input: InputChanges = InputChanges()
    validation_share: float = Field(default=0.15, gt=0, lt=0.5)
    held_out_share: float = Field(default=0.15, gt=0, lt=0.5)
    head_epochs: int = Field(default=60, ge=0, le=_MOST_EPOCHS)
    head_learning_rate: float = Field(default=2e-3, gt=0)
    epochs: int = Field(default=12, ge=0, le=_MOST_EPOCHS)
    most_cpu_photos: int = Field(default=10_000, ge=0, le=2**31)
    batch_size: int = Field(default=32, ge=2, le=2**16)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-4, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warmup_share: float = Field(default=0.1, gt=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    freeze_norms: bool = True
    patience: int = Field(default=4, ge=0, le=_MOST_EPOCHS)
    average_decay: float = Field(default=0, ge=0, lt=1)
    calibrate: bool = True
    half: bool = False
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if not (self.has_head_phase or self.epochs):
            raise ValueError("nothing is trained: epochs is 0, and there is no head phase")
        return self

    @property
    def has_head_phase(self) -> bool:
        """Whether the last layer learns alone first: only where the network below it knows much."""
        return self.pretrained and self.head_epochs > 0

    @property
    def keeps_norms(self) -> bool:
        """Whether batch statistics stay as they are: a network without any must learn them."""
        return self.pretrained and self.freeze_norms


def read_recipe(path: Path) -> TrainingRecipe:
    """Read a recipe from a TOML file; raises SettingsError with every problem found in it."""
    return parse_recipe(read_toml(path), str(path))


def parse_recipe(content: dict[str, object], where: str) -> TrainingRecipe:
    """Check a recipe's values; `where` names them in messages. Raises SettingsError."""
    try:
        return TrainingRecipe.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'recipe'}: {_said(one['msg'])}"
            for one in error.errors(include_url=False)
        )
        known = ", ".join(TrainingRecipe.model_fields)
        hint = f" Known: {known}." if "is not known" in problems else ""
        raise SettingsError(f"{where} is not a training recipe: {problems}.{hint}") from None


def _said(message: str) -> str:
    return "it is not known" if message.startswith("Extra inputs") else message
