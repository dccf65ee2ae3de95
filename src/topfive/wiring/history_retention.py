"""For how long the history that settings name keeps predictions."""

from typing import TYPE_CHECKING

from topfive.service import Service
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger

if TYPE_CHECKING:
    from topfive.history.database import Database


def limit_history(service: Service, database: "Database", settings: Settings) -> None:
    """Have one worker of the machine delete what is too old, until the service closes."""
    if not settings.history_retention_days:
        return
    # With SQLAlchemy, which is there only where it is wanted.
    from topfive.history.retention import Retention, RetentionEvents  # noqa: PLC0415

    folder = settings.workers_dir
    retention = Retention(
        database,
        settings.history_retention_days,
        folder / "history-retention.lock" if folder else None,
        RetentionEvents(_tell_deleted, _tell_failure),
    )
    retention.start()
    service.recover_with(retention)


def _tell_deleted(count: int) -> None:
    get_logger().info("history_expired", count=count)


def _tell_failure(reason: str) -> None:
    get_logger().warning("history_not_expired", reason=reason)
