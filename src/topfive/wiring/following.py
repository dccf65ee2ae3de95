"""How a worker comes to follow the state that all workers share, and takes orders about it."""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock

from topfive.errors import StateUnavailable
from topfive.machine.processes import this_process
from topfive.models import RouteView
from topfive.predictions import ModelRef
from topfive.registry.followed import FollowedModels
from topfive.registry.follower import Follower, FollowerEvents
from topfive.registry.following import Following
from topfive.registry.machine_reports import MachineReports
from topfive.registry.registry import Registry
from topfive.registry.reports import OwnReports, ReportFolder, Reports
from topfive.registry.state_stores import RedisState, StateFile, StateStore, open_state_redis
from topfive.service import Service
from topfive.service.orders import OrderLinks, Orders
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger
from topfive.wiring.fingerprint import models_fingerprint
from topfive.wiring.models import log_loaded

_REDIS_PREFIX = "topfive:models"

ReplaceRoutes = Callable[[Mapping[str, RouteView]], None]


@dataclass(frozen=True, slots=True)
class SharedState:
    """Where all workers find what is desired, and tell each other how they stand."""

    store: StateStore
    reports: Reports
    loading_lock: Callable[[], AbstractContextManager[object]]


def open_state(settings: Settings) -> SharedState:
    """Open the state that is made for these settings: others begin with one of their own."""
    mark = models_fingerprint(settings)
    folder = settings.workers_dir
    own: Reports = ReportFolder(folder) if folder else OwnReports()
    lock = partial(_take, folder / "loading.lock") if folder else nullcontext
    if not settings.model_state:
        return SharedState(StateFile(_state_folder(settings) / f".state-{mark}.json"), own, lock)
    client = open_state_redis(settings.model_state)
    machine = f"{socket.gethostname()}:{folder or os.getpid()}"
    reports = MachineReports(own, client, f"{_REDIS_PREFIX}:{mark}:worker:", machine)
    return SharedState(RedisState(client, f"{_REDIS_PREFIX}:{mark}:state"), reports, lock)


def open_follower(
    shared: SharedState,
    registry: Registry,
    routes: Mapping[str, RouteView],
    replace_routes: ReplaceRoutes,
) -> Follower:
    """Make the follower of a worker, and let the others know that this worker is there."""
    models = FollowedModels(
        registry, routes, replace_routes, partial(log_loaded, registry), _log_failed
    )
    events = FollowerEvents(_log_lost, _log_found, _log_refused)
    follower = Follower(
        this_process(), models, shared.store, shared.reports, shared.loading_lock, events
    )
    follower.announce()
    follower.look()
    return follower


def follow(
    service: Service,
    registry: Registry,
    shared: SharedState,
    follower: Follower,
    routes: Mapping[str, RouteView],
) -> Orders:
    """Load what orders have added to the settings, then follow further ones until the end."""
    follower.begin()
    links = OrderLinks(
        shared.store, shared.reports, follower, routes, lambda: service.is_draining, _log_lost
    )
    orders = Orders(registry, links)
    service.take_orders_with(orders)
    following = Following(follower, _log_unforeseen, lambda: service.is_draining)
    following.start()
    service.recover_with(following)
    return orders


def _take(path: Path) -> AbstractContextManager[object]:
    return FileLock(path).acquire(timeout=0)


def _state_folder(settings: Settings) -> Path:
    """Choose the models' folder where it can be written, else what the workers share."""
    folder = settings.models_dir
    existing = folder if folder.is_dir() else folder.absolute().parent
    if os.access(existing, os.W_OK) or settings.workers_dir is None:
        return folder
    return settings.workers_dir


def _log_lost(error: StateUnavailable) -> None:
    get_logger().error("state_unavailable", reason=str(error))


def _log_found() -> None:
    get_logger().info("state_available")


def _log_refused(ref: ModelRef, reason: str) -> None:
    get_logger().warning("order_refused", model=ref.name, version=ref.version, reason=reason)


def _log_failed(ref: ModelRef, error: Exception) -> None:
    get_logger().warning("model_not_loaded", model=ref.name, version=ref.version, reason=str(error))


def _log_unforeseen(error: Exception) -> None:
    get_logger().error("unforeseen_error", kind=type(error).__name__, exc_info=error)
