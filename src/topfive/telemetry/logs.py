"""Logging: one JSON object a line on standard error, or plain text for a person at a terminal."""

import logging
import sys
import warnings
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
    level = logging.getLevelNamesMapping()[options.level.upper()]
    chain: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.format_exc_info,
        _renderer(options.format),
    ]
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _redirect_standard_logging(level, chain)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return topfive's own logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _redirect_standard_logging(level: int, chain: list[Any]) -> None:
    """Let libraries, which use Python's own logging, write lines of the same shape."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # Pillow tells details of callers' pictures, by warnings too; those never belong in a log.
    logging.getLogger("PIL").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")


def _renderer(log_format: str) -> Any:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer()
