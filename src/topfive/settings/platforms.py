"""The settings that a platform makes by itself."""

import re

from pydantic import Field, ValidationInfo, field_validator

from topfive.route_table import answers_health, is_taken
from topfive.settings.values import SettingsGroup

# RFC 3986's characters of a path, without percent signs: an escaped path would have two forms.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")


class PlatformSettings(SettingsGroup):
    """What Vertex AI wants to be answered at which address."""

    vertex_predict_route: str = Field(
        "",
        max_length=1000,
        description="The address at which Vertex AI's JSON is answered. Vertex AI sets "
        "`AIP_PREDICT_ROUTE`. Empty: none.",
    )
    vertex_health_route: str = Field(
        "",
        max_length=1000,
        description="The address at which Vertex AI asks how the service is; it may be one that "
        "there is already, such as `/health`. Vertex AI sets `AIP_HEALTH_ROUTE`. Empty: none.",
    )

    @field_validator("vertex_predict_route", "vertex_health_route")
    @classmethod
    def _route_can_be_added(cls, path: str, info: ValidationInfo) -> str:
        if path and not _PATH.fullmatch(path):
            raise ValueError("it must be a path that begins with /, as in /v1/predict")
        is_theirs = info.field_name == "vertex_health_route" and answers_health(path)
        if path and is_taken(path) and not is_theirs:
            raise ValueError("topfive answers there in its own way: name another path")
        return path
