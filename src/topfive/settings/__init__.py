"""The settings: read once from the environment and `.env`, checked all at once, then frozen.

Each group has a module of its own, and gives the packages it is for their options.
"""

from topfive.settings.declared import Settings
from topfive.settings.environment import (
    PREFIX,
    RESERVED_NAMES,
    STANDARD_NAMES,
    ReadSettings,
    inherits_sockets,
    look_at_settings,
    parse_settings,
    read_api_key,
    read_settings,
    variable_name,
)

__all__ = [
    "PREFIX",
    "RESERVED_NAMES",
    "STANDARD_NAMES",
    "ReadSettings",
    "Settings",
    "inherits_sockets",
    "look_at_settings",
    "parse_settings",
    "read_api_key",
    "read_settings",
    "variable_name",
]
