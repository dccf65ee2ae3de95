"""Logging: one JSON object a line on standard output, or plain text for a person at a terminal."""

import logging
import sys
import threading
import warnings
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import structlog

from topfive.telemetry.console import ConsoleRenderer

_Line = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How much is logged (`debug` to `error`), how (`json`, `console`), and of predictions what."""

    level: str = "info"
    format: str = "json"
    has_classes: bool = True


def configure_logs(options: LogOptions, stream: TextIO | None = None) -> None:
    """Send topfive's and Gunicorn's log through one chain to `stream` (None: standard output)."""
    stream = stream or sys.stdout
    level = logging.getLevelNamesMapping()[options.level.upper()]
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        *([] if options.has_classes else [_leave_out_classes]),
        *_shape(options.format, stream),
    ]
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _redirect_standard_logging(level, chain, stream)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return topfive's own logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def log_what_python_reports() -> None:
    """Log what Python would print on standard error: warnings, and exceptions that nobody caught.

    For processes whose only output is the log; a command that a person runs keeps standard error.
    """
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )
    sys.unraisablehook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        exc_info = (kind, error or kind(), traceback)
        get_logger().error("unforeseen_error", kind=kind.__name__, exc_info=exc_info)


def bind_log_fields(**fields: str) -> None:
    """Put `fields` on every line that this thread logs, until `clear_log_fields`."""
    structlog.contextvars.bind_contextvars(**fields)


def clear_log_fields() -> None:
    """Put nothing more on this thread's lines."""
    structlog.contextvars.clear_contextvars()


def _redirect_standard_logging(level: int, chain: list[Any], stream: TextIO) -> None:
    """Let libraries, which use Python's own logging, write lines of the same shape."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    silence_pillow()


def silence_pillow() -> None:
    """Leave out what Pillow says of pictures, by warnings too: no detail of a caller's is logged.

    Of labelled photos it would be said between a command's own lines, without a file's name.
    """
    logging.getLogger("PIL").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")


def _leave_out_classes(_logger: object, _method: str, line: _Line) -> _Line:
    """Take away what tells of a picture's content."""
    for name in ("top_class", "confidence"):
        line.pop(name, None)
    return line


def _shape(log_format: str, stream: TextIO) -> list[Any]:
    if log_format == "console":
        return [ConsoleRenderer(has_colours=stream.isatty())]
    return [_shape_for_clouds, structlog.processors.JSONRenderer()]


def _shape_for_clouds(_logger: object, _method: str, line: _Line) -> _Line:
    """Name the fields as cloud consoles do.

    Source: Google Cloud Logging's LogEntry, https://cloud.google.com/logging/docs/structured-logging
    """
    level = line.pop("level")
    shaped = {
        "severity": level.upper(),
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "message": _message(line),
        **line,
    }
    if line["event"] == "request":
        shaped["httpRequest"] = {
            "requestMethod": line["method"],
            "requestUrl": line["route"],
            "status": line["status"],
            "latency": f"{line['duration_ms'] / 1000:.6f}s",
        }
    return shaped


def _message(line: _Line) -> str:
    """Say in one sentence what a person in a console wants to read first."""
    if line["event"] == "request":
        code = f" {line['code']}" if "code" in line else ""
        return f"{line['method']} {line['route']} {line['status']}{code}"
    event = str(line["event"])
    words = event.replace("_", " ") if event.isidentifier() else event
    return f"{words}: {line['reason']}" if "reason" in line else words
