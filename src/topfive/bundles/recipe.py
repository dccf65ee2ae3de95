"""The recipe by which pictures become a model's input, where an operator changes it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from topfive.errors import SettingsError
from topfive.input_recipe import Channels, InputRecipe


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """What is changed of a recipe, sizes in pixels; None leaves a part as the architecture has it.

    `mean` and `std` are per RGB channel, for values from 0 to 1.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: Channels | None = None
    std: Channels | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The parts that are changed, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def change_recipe(base: InputRecipe, changes: RecipeOptions) -> InputRecipe:
    """Apply changes to a recipe; raises SettingsError if the parts do not go together."""
    values = base.model_dump() | changes.given
    if values["crop"] > values["resize"]:
        raise SettingsError(
            f"The crop of {values['crop']} pixels is larger than what pictures are resized to, "
            f"{values['resize']}. Change one of them: they are TOPFIVE_INPUT_RESIZE and "
            "TOPFIVE_INPUT_CROP, the options --resize and --crop, or lines of a recipe."
        )
    try:
        return InputRecipe.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(one) for one in first["loc"]) or "recipe"
        raise SettingsError(f"The input's {name} is wrong: {first['msg']}.") from None


def parse_mean(text: str) -> Channels:
    """Read a mean for each RGB channel, as in `0.485,0.456,0.406`; raises ValueError."""
    values = parse_channels(text)
    if not all(0 <= one <= 1 for one in values):
        raise ValueError(
            "a mean is from 0 to 1; divide what is meant for values of 0 to 255 by 255"
        )
    return values


def parse_std(text: str) -> Channels:
    """Read a standard deviation for each RGB channel; raises ValueError."""
    values = parse_channels(text)
    if min(values) <= 0:
        raise ValueError("a standard deviation is above 0")
    if max(values) > 1:
        raise ValueError(
            "a standard deviation is at most 1; divide what is meant for values of 0 to 255 by 255"
        )
    return values


def parse_channels(text: str) -> Channels:
    """Read a number for each RGB channel; raises ValueError."""
    parts = text.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise ValueError("three numbers are needed, separated by commas, such as 0.485,0.456,0.406")
    red, green, blue = values
    return red, green, blue
