"""The settings of metrics, logs and traces."""

from typing import Annotated, Literal

from pydantic import Field

from topfive.settings.values import OptionalInt, OptionalPath, SettingsGroup, Word
from topfive.telemetry.logs import LogOptions


class TelemetrySettings(SettingsGroup):
    """What is measured, logged and traced, and where workers put it together."""

    metrics_port: OptionalInt = Field(
        None,
        ge=0,
        le=65535,
        description="A port of its own for `/metrics`, which is then not on the main one. Empty or "
        "0: on the main port, where with API keys it asks for one with the scope `admin`.",
    )
    metrics_dir: OptionalPath = Field(
        None,
        description="Where workers put their metrics together; emptied at the start. Empty: in "
        "memory.",
    )
    workers_dir: OptionalPath = Field(
        None,
        description="Where workers tell each other which models they have. Empty: in memory.",
    )
    otlp_endpoint: str = Field(
        "",
        description="Where traces are sent, by OTLP over HTTP; needs the extra `tracing`. Empty: "
        "no traces. `OTEL_EXPORTER_OTLP_ENDPOINT` is read too, and the other `OTEL_*` variables "
        "mean what OpenTelemetry says.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = Field(
        "info", description="How much is logged."
    )
    log_format: Annotated[Literal["json", "console"], Word] = Field(
        "json", description="One JSON object a line, or plain text for a person."
    )
    log_classes: bool = Field(
        True,
        description="Whether the log names the best class of each prediction and its confidence. "
        "`false`: the log does not, and `topfive_confidence` is not measured either.",
    )

    @property
    def log_options(self) -> LogOptions:
        """How to log."""
        return LogOptions(self.log_level, self.log_format, self.log_classes)
