"""Gunicorn with everything topfive needs set, run from code."""

import logging
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from topfive.machine.allocation import freeze_memory, keep_memory_small
from topfive.machine.sizing import Sizing
from topfive.registry.desired import desired_name
from topfive.server.adapter import Arbiter, Worker
from topfive.server.balance import clear, make_board
from topfive.server.shared_files import MEMORY_DIR, shared_files
from topfive.server.streams import mute_native_errors
from topfive.server.watchdog import watch_for_stuck_work
from topfive.service import Service
from topfive.settings import Settings
from topfive.telemetry.logs import configure_logs, get_logger, log_what_python_reports
from topfive.telemetry.metric_files import note_asked_to_end, retire_worker_files
from topfive.wiring import desired_model

# A worker whose main loop stands still this long is replaced.
_WORKER_TIMEOUT_S = 30
# What a stopping worker has beyond the longest request.
_GRACE_S = 5
_CONNECTIONS_PER_WORKER = 1000


class TopfiveLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Sends Gunicorn's own messages through topfive's log; there is no access log beside it."""

    def setup(self, _cfg: Any) -> None:
        """Hand the error log on to the root logger's handlers."""
        self.error_log.handlers = []
        self.error_log.propagate = True
        # At debug level Gunicorn would log callers' raw paths.
        self.error_log.setLevel(max(logging.INFO, logging.getLogger().level))

    def access(self, *_: Any) -> None:
        """Write nothing: the app writes one line for each request."""


class TopfiveServer(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """Gunicorn's arbiter, whose workers each build their own app after the fork."""

    def __init__(self, settings: Settings, sizing: Sizing, load: Callable[[], Any]) -> None:
        self._settings = settings
        self._sizing = sizing
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        """Set what Gunicorn needs; its own files and variables are not read."""
        for name, value in gunicorn_options(self._settings, self._sizing).items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run until told to stop."""
        Arbiter(self).run()

    def load(self) -> Any:
        """Build the app; Gunicorn calls this in every worker."""
        return self._load()


def gunicorn_options(settings: Settings, sizing: Sizing) -> dict[str, Any]:
    """List Gunicorn's options, by its own names, for these settings on this machine."""
    return _hooks(settings.metrics_dir) | {
        "bind": _bind_addresses(settings),
        "workers": sizing.workers,
        "worker_class": Worker,
        "worker_connections": _CONNECTIONS_PER_WORKER,
        "timeout": _WORKER_TIMEOUT_S,
        "graceful_timeout": int(settings.request_timeout_s) + _GRACE_S,
        # It would make threads wait for clients that do not read.
        "sendfile": False,
        # OpenVINO and torch hold threads, which a fork would lose.
        "preload_app": False,
        "control_socket_disable": True,
        # Where the package of another parser is installed that one would be taken; it refuses less.
        "http_parser": "python",
        "logger_class": TopfiveLogger,
        "proc_name": "topfive",
        # Heartbeats written to a disk can stall a worker.
        "worker_tmp_dir": str(MEMORY_DIR) if MEMORY_DIR.is_dir() else None,
    }


def _hooks(metrics_dir: Path | None) -> dict[str, Any]:
    """List what Gunicorn calls, in the arbiter and in workers; all share one board."""
    board = make_board()
    return {
        "when_ready": _announce,
        "post_fork": lambda _arbiter, worker: _prepare_worker(worker, board),
        "post_worker_init": _begin_work,
        "worker_exit": lambda _arbiter, worker: _note_asked_to_end(metrics_dir, worker),
        "child_exit": lambda _arbiter, worker: _retire_worker(metrics_dir, board, worker),
    }


def serve(settings: Settings, sizing: Sizing, load: Callable[[Settings], Any]) -> None:
    """Serve until told to stop; `load` builds the app in each worker, after the fork."""
    configure_logs(settings.log_options)
    log_what_python_reports()
    get_logger().info(
        "starting",
        model=desired_name(desired_model(settings)),
        workers=sizing.workers,
        slots=sizing.slots,
        queue=sizing.queue,
        threads=sizing.threads,
        reason=sizing.reason,
    )
    with shared_files(settings) as complete:
        server = TopfiveServer(complete, sizing, lambda: load(complete))
        freeze_memory()
        server.run()


def _prepare_worker(worker: Any, board: mmap) -> None:
    worker.board = board
    keep_memory_small()
    mute_native_errors()


def _begin_work(worker: Any) -> None:
    freeze_memory()
    watch_for_stuck_work(_service_of(worker).oldest_run_s)


def _service_of(worker: Any) -> Service:
    service: Service = worker.wsgi.service
    return service


def _note_asked_to_end(metrics_dir: Path | None, worker: Any) -> None:
    if metrics_dir is not None:
        note_asked_to_end(metrics_dir, worker.pid)


def _retire_worker(metrics_dir: Path | None, board: mmap, worker: Any) -> None:
    """Keep what an ended worker has counted, and its connections no longer."""
    clear(board, worker.age)
    if metrics_dir is not None:
        retire_worker_files(metrics_dir, worker.pid)


def _bind_addresses(settings: Settings) -> list[str]:
    ports = [settings.port, *([settings.metrics_port] if settings.metrics_port else [])]
    return [_bind_address(settings.host, port) for port in ports]


def _bind_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(arbiter: Any) -> None:
    for listener in arbiter.LISTENERS:
        host, port = listener.sock.getsockname()[:2]
        shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
        shown = f"[{shown}]" if ":" in shown else shown
        get_logger().info("listening", url=f"http://{shown}:{port}", port=port)
