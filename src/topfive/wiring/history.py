"""The history that settings name, at work in one worker."""

from functools import partial

from topfive.concurrency.backoff import Backoff
from topfive.history.writer import Writer, WriterEvents, WriterOptions
from topfive.registry.registry import Registry
from topfive.service import Service
from topfive.settings import Settings
from topfive.telemetry.access import AccessLog
from topfive.wiring.history_retention import limit_history
from topfive.wiring.live import measure_live

# A database that is back is used within seconds, and one that is away is left alone for as long.
_BACKOFF = Backoff(first_s=0.5, factor=2.0, most_s=5.0)


def keep_history(service: Service, registry: Registry, settings: Settings) -> None:
    """Have predictions taken down in the database of the settings, told from it, measured, and
    deleted when they are too old.

    Without one nothing is begun.
    """
    if not settings.history_url:
        return
    # SQLAlchemy takes a fifth of a second to import, and is there only where it is wanted.
    from topfive.history.database import open_database  # noqa: PLC0415
    from topfive.history.healing import write_healing  # noqa: PLC0415
    from topfive.history.kept import KeptHistory  # noqa: PLC0415

    database = open_database(settings.history_url)
    options = WriterOptions(settings.history_queue, _BACKOFF.draw_wait_s)
    write = partial(write_healing, database)
    service.record_with(Writer(write, options, _events(service.access_log)))
    service.tell_from(KeptHistory(database))
    measure_live(service, registry, database, settings)
    limit_history(service, database, settings)


def _events(access_log: AccessLog) -> WriterEvents:
    return WriterEvents(
        on_written=access_log.count_history_written,
        on_dropped=access_log.count_history_dropped,
        on_down=access_log.record_history_down,
        on_back=access_log.record_history_back,
        on_full=access_log.record_history_full,
        on_lost=access_log.record_history_dropped,
        on_fault=access_log.record_history_fault,
    )
