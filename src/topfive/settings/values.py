"""How the text of one variable becomes a value, whichever group of settings it is in."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from topfive.bundles.recipe import parse_mean, parse_std
from topfive.input_recipe import Channels


class SettingsGroup(BaseModel):
    """Settings that belong together; frozen, and refusing a name that none of them has."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def split_list(text: str) -> list[str]:
    """Split what commas separate; nothing empty is left."""
    return [one.strip() for one in text.split(",") if one.strip()]


def empty_is_none(value: object) -> object:
    """Take an empty text for a value that is not set."""
    return None if value == "" else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _read_with(parse: Callable[[str], Channels]) -> Callable[[object], object]:
    def read(value: object) -> object:
        return parse(value) if isinstance(value, str) and value else empty_is_none(value)

    return read


OptionalInt = Annotated[int | None, BeforeValidator(empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(empty_is_none)]
OptionalMean = Annotated[Channels | None, BeforeValidator(_read_with(parse_mean))]
OptionalStd = Annotated[Channels | None, BeforeValidator(_read_with(parse_std))]
Word = BeforeValidator(_lower)
