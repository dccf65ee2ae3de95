"""Logging: one JSON object a line on standard error, or plain text for a person at a terminal."""

import logging
import sys
from dataclasses import dataclass
from typing import Any

import structlog


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How much is logged (`debug` to `error`) and how (`json`, `console`)."""

    level: str = "info"
    format: str = "json"


def configure_logs(options: LogOptions) -> None:
    """Send topfive's and Gunicorn's log through one chain to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _renderer(options.format),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=options.level.upper(), force=True)
    # Pillow logs details of callers' pictures at debug level; those never belong in a log.
    logging.getLogger("PIL").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return topfive's own logger."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("topfive")
    return logger


def _renderer(log_format: str) -> Any:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer()
