"""How a model wants its pictures: one description for bundles, images and training alike."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Channels = tuple[float, float, float]


def _all_positive(values: Channels) -> Channels:
    if min(values) <= 0:
        raise ValueError("every value must be positive")
    return values


class InputRecipe(BaseModel):
    """How pictures are resized, cropped and normalised: sizes in pixels, mean and std per channel.

    `mean` and `std` are for RGB values from 0 to 1. Raises pydantic's ValidationError, a
    ValueError, if the crop is larger than the resized side, or a value makes no sense. The order
    of the fields is part of the versions of models of one's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    resize: int = Field(ge=1, le=4096)
    crop: int = Field(ge=1, le=4096)
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    mean: Channels
    std: Annotated[Channels, AfterValidator(_all_positive)]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self

    def prepares_alike(self, other: "InputRecipe") -> bool:
        """Tell whether both make the same pixels of a picture; what follows may differ."""
        return (self.resize, self.crop, self.interpolation) == (
            other.resize,
            other.crop,
            other.interpolation,
        )
