"""The settings as the environment and `.env` have them; nothing else of topfive reads either."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from topfive.errors import SettingsError
from topfive.settings.declared import Settings

PREFIX = "TOPFIVE_"
# Names that platforms set by themselves; topfive's own name wins where both are there.
STANDARD_NAMES = {
    "PORT": "port",
    "SAGEMAKER_BIND_TO_PORT": "port",
    "AIP_HTTP_PORT": "port",
    "AIP_PREDICT_ROUTE": "vertex_predict_route",
    "AIP_HEALTH_ROUTE": "vertex_health_route",
    "WEB_CONCURRENCY": "workers",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
}
# Read by the test suite, the Compose file and `topfive models`, so that all can be set in one
# environment.
RESERVED_NAMES = frozenset(
    {
        "TOPFIVE_TEST_WEIGHTS",
        "TOPFIVE_TEST_PHOTOS",
        "TOPFIVE_TEST_KUBERAY_CRD",
        "TOPFIVE_DOMAIN",
        "TOPFIVE_API_KEY",
    }
)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Settings as they were read: a wrong one has its default here, and a line in `problems`."""

    settings: Settings
    problems: tuple[str, ...]
    wrong_fields: frozenset[str]


def read_settings(dotenv_file: Path = Path(".env")) -> Settings:
    """Read the settings from the environment, then from `.env`.

    Raises SettingsError that names every bad or unknown variable at once.
    """
    return parse_settings(_environment(dotenv_file))


def look_at_settings(dotenv_file: Path = Path(".env")) -> ReadSettings:
    """Read the settings as `read_settings` does, but tell what is wrong instead of raising."""
    return _parse(_environment(dotenv_file))


def read_api_key(dotenv_file: Path = Path(".env")) -> str:
    """Read the API key that `topfive models` sends, as settings are read; empty without one."""
    return _environment(dotenv_file).get("TOPFIVE_API_KEY", "")


def inherits_sockets() -> bool:
    """Tell whether listening sockets are handed over, by systemd or by a former Gunicorn."""
    return bool({"LISTEN_FDS", "GUNICORN_FD"} & os.environ.keys())


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Make settings from variables; those that are not topfive's are left alone.

    Raises SettingsError that names every bad or unknown variable at once.
    """
    found = _parse(environment)
    if found.problems:
        lines = "\n".join(f"  {line}" for line in found.problems)
        raise SettingsError(f"These settings are wrong:\n{lines}")
    return found.settings


def _environment(dotenv_file: Path) -> dict[str, str]:
    from_file = {key: value or "" for key, value in dotenv_values(dotenv_file).items()}
    return {**from_file, **os.environ}


def _parse(environment: Mapping[str, str]) -> ReadSettings:
    names = {field: name for name, field in STANDARD_NAMES.items() if environment.get(name)}
    names |= {
        name.removeprefix(PREFIX).lower(): name
        for name in environment
        if name.startswith(PREFIX) and name not in RESERVED_NAMES
    }
    values = {field: environment[name] for field, name in names.items()}
    try:
        return ReadSettings(Settings.model_validate(values), (), frozenset())
    except ValidationError as error:
        found = error.errors(include_url=False)
    # The library's own text would quote values, and some of them are secrets.
    problems = tuple(sorted(_describe_one(one, names) for one in found))
    wrong = frozenset(str(one["loc"][0]) for one in found)
    rest = {field: value for field, value in values.items() if field not in wrong}
    return ReadSettings(Settings.model_validate(rest), problems, wrong)


def variable_name(field: str) -> str:
    """Tell the environment variable of a field."""
    return PREFIX + field.upper()


def _describe_one(problem: Any, names: Mapping[str, str]) -> str:
    field = str(problem["loc"][0])
    name = names.get(field) or variable_name(field)
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting of topfive. See docs/settings.md for those that are."
    message = problem["msg"].removeprefix("Value error, ")
    if not Settings.model_fields[field].repr:
        return f"{name}: {message}"
    return f"{name}={problem['input']!r}: {message}"
