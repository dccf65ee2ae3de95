"""How a worker measures live accuracy and drift, where there is a history."""

from typing import TYPE_CHECKING

from topfive.errors import HistoryUnavailable
from topfive.registry.registry import Registry
from topfive.service import Service
from topfive.service.live.figures import FigureFile, FigureStore, OwnFigures
from topfive.service.live.measures import MeasuredHistory
from topfive.service.live.watch import LiveEvents, LiveWatch
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger
from topfive.telemetry.metrics import LiveFigures

if TYPE_CHECKING:
    from topfive.history.database import Database


def measure_live(
    service: Service, registry: Registry, database: "Database", settings: Settings
) -> None:
    """Measure how well versions do, again and again, until the service closes."""
    # With SQLAlchemy, which is there only where it is wanted.
    from topfive.history.observing import KeptObservations  # noqa: PLC0415

    observations = KeptObservations(database)
    measures = MeasuredHistory(observations, registry.bundles)
    folder = settings.workers_dir
    figures: FigureStore = FigureFile(folder / "live.json") if folder else OwnFigures()
    service.measure_with(measures, figures)
    events = LiveEvents(_tell_drift, _tell_drift_over, _tell_failure)
    watch = LiveWatch(measures, figures, events, folder / "live.lock" if folder else None)
    watch.start()
    service.recover_with(watch)


def _tell_drift(figures: LiveFigures) -> None:
    get_logger().warning(
        "drift_found",
        model=figures.model.name,
        version=figures.model.version,
        psi=round(figures.psi or 0, 3),
        ks=round(figures.ks or 0, 3),
    )


def _tell_drift_over(figures: LiveFigures) -> None:
    get_logger().info("drift_over", model=figures.model.name, version=figures.model.version)


def _tell_failure(error: Exception) -> None:
    if isinstance(error, (HistoryUnavailable, OSError)):
        get_logger().warning("live_not_measured", reason=str(error))
    else:
        get_logger().error("unforeseen_error", kind=type(error).__name__, exc_info=error)
