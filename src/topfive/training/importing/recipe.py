"""How a model of another format wants its pictures, which its file does not say."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from topfive.errors import SettingsError
from topfive.input_recipe import Channels, InputRecipe
from topfive.training.recipe_files import read_toml

_MOST = {"0-1": 1.0, "0-255": 255.0}
# With these, values of 0 to 1 become whole numbers of 0 to 255 again.
_UNCHANGED = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}


class ImportRecipe(BaseModel):
    """What a model takes and gives; None where its file may say it.

    `mean` and `std` are for red, green and blue, in this order, of values in `range`; `channels`
    and `layout` are the model's own order. `output` says what its numbers are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: int | None = Field(None, ge=1, le=4096)
    crop: int | None = Field(None, ge=1, le=4096)
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    mean: Channels | None = None
    std: Channels | None = None
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] | None = None
    range: Literal["0-1", "0-255"] = "0-1"
    output: Literal["logits", "probabilities"] | None = None

    @model_validator(mode="after")
    def _suits_the_range(self) -> Self:
        most = _MOST[self.range]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and not all(math.isfinite(one) and 0 <= one <= most for one in values):
                raise ValueError(
                    f"{name} is from 0 to {most:g} where the model takes values of {self.range}"
                    + ("; for values of 0 to 255 set range to 0-255" if most == 1 else "")
                )
        if self.std and min(self.std) == 0:
            raise ValueError("a standard deviation is above 0")
        return self


def read_recipe(file: Path | None, given: Mapping[str, Any]) -> ImportRecipe:
    """Read a recipe from a TOML file, where there is one; what is `given` beside it wins.

    Raises SettingsError if the file cannot be read, or with everything that is wrong.
    """
    values = (read_toml(file) if file else {}) | dict(given)
    try:
        return ImportRecipe.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(map(_describe, error.errors(include_url=False)))
        raise SettingsError(f"The recipe{f' in {file}' if file else ''}: {problems}.") from None


def complete_recipe(
    path: Path, recipe: ImportRecipe, side: int | None, *, takes_bytes: bool
) -> InputRecipe:
    """Say how pictures become the values that the model in the file `path` takes.

    `side` is the width and height that the model's file fixes, in pixels. A model that takes bytes
    takes them as they are. Raises SettingsError that names all that is missing or does not fit.
    """
    if side and recipe.crop not in (None, side):
        raise SettingsError(
            f"{path} takes pictures of {side} x {side} pixels, and --crop says {recipe.crop}."
        )
    if takes_bytes and (recipe.mean or recipe.std):
        raise SettingsError(
            f"{path} takes whole numbers of 0 to 255 as they are: leave --mean and --std out."
        )
    most = _MOST[recipe.range]
    known: dict[str, Any] = {"resize": recipe.resize, "crop": recipe.crop or side}
    known |= _UNCHANGED if takes_bytes else {"mean": recipe.mean, "std": recipe.std}
    _require_all(path, known)
    if not takes_bytes:
        known |= {name: tuple(one / most for one in known[name]) for name in ("mean", "std")}
    try:
        return InputRecipe.model_validate(known | {"interpolation": recipe.interpolation})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(f"The recipe does not go together: {_describe(first)}.") from None


def _require_all(path: Path, values: Mapping[str, Any]) -> None:
    missing = [f"--{name}" for name, value in values.items() if value is None]
    if missing:
        raise SettingsError(
            f"{path} does not say how pictures are prepared: give {', '.join(missing)}, or "
            "--recipe. ImageNet's usual recipe is --resize 256 --crop 224 --mean 0.485,0.456,0.406 "
            "--std 0.229,0.224,0.225; one that changes nothing has --mean 0,0,0 --std 1,1,1."
        )


def _describe(problem: Any) -> str:
    name = ".".join(str(one) for one in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name} is not known; known are {', '.join(ImportRecipe.model_fields)}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
