"""Recipes in TOML files."""

import tomllib
from pathlib import Path
from typing import Any

from topfive.errors import SettingsError


def read_toml(path: Path) -> dict[str, Any]:
    """Read the values of a recipe, unchecked; raises SettingsError if the file is no TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The recipe {path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise SettingsError(f"The recipe {path} is no recipe: it is nested too deep.") from error
