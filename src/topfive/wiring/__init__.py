"""The joining place: settings in, a running service out."""

from collections.abc import Sequence

from topfive import __version__
from topfive.auth.keyfile import KeyFile
from topfive.concurrency.limiter import ConcurrencyLimiter
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import OperatorError, SettingsError
from topfive.machine.probe import probe_machine
from topfive.machine.sizing import Sizing, plan_sizing
from topfive.registry.mistakes import find_mistakes, find_route_mistakes
from topfive.registry.registry import Registry
from topfive.service import Routing, Service, ServiceLimits
from topfive.settings import Settings, read_api_key
from topfive.telemetry.access import AccessLog
from topfive.telemetry.metrics import Metrics, NoMetrics
from topfive.telemetry.prometheus import open_metrics
from topfive.telemetry.traces import NoTraces, Traces, open_traces
from topfive.wiring.cache import cache_mistakes, open_cache
from topfive.wiring.following import follow, open_follower, open_state
from topfive.wiring.history import keep_history
from topfive.wiring.history_check import history_mistakes, prepare_history
from topfive.wiring.models import (
    desired_model,
    further_models,
    memory_problems,
    open_registry,
    routed_models,
    start_models,
)
from topfive.wiring.routing import open_routing, roll_back_everywhere
from topfive.wiring.stores import store_mistakes, tell_fetching, watch_store

__all__ = [
    "build_service",
    "cache_mistakes",
    "choose_sizing",
    "desired_model",
    "further_models",
    "history_mistakes",
    "key_mistakes",
    "list_problems",
    "model_mistakes",
    "prepare_history",
    "refuse_mistakes",
    "routed_models",
    "tell_fetching",
]

_KEY_IS_NO_SETTING = (
    "TOPFIVE_API_KEY is the key that `topfive models` sends, and the service would accept none. "
    "Set TOPFIVE_API_KEYS to the digests of the keys to accept, or take TOPFIVE_API_KEY out of the "
    "service's environment."
)


def build_service(
    settings: Settings, *, has_telemetry: bool = False, refusal: OperatorError | None = None
) -> Service:
    """Build a service and load its models; what cannot be loaded leaves it degraded or unavailable.

    With `has_telemetry` it keeps metrics, and sends traces where settings say so. `refusal` is why
    the model could not be made before, where that was tried. Never raises for a missing model: the
    service keeps trying in the background where that can help.
    """
    sizing = choose_sizing(settings)
    registry = open_registry(settings, sizing)
    limits = ServiceLimits(
        settings.image_limits, settings.request_timeout_s, settings.batch_timeout_s
    )
    limiter = ConcurrencyLimiter(sizing.slots, sizing.queue, sizing.spare_slots, sizing.batch_slots)
    memory = MemoryBudget(sizing.decoding_bytes)
    metrics = _open_metrics(settings) if has_telemetry else NoMetrics()
    traces = _open_traces(settings) if has_telemetry else NoTraces()
    access_log = AccessLog(metrics, traces, settings.route_table.quiet_paths)
    service = Service(registry, limiter, memory, sizing, limits, metrics, access_log)
    routing = open_routing(service, registry, memory, metrics, settings)
    if has_telemetry:
        service.answer_from(open_cache(settings, access_log))
        _start_together(service, registry, routing, settings, refusal)
        keep_history(service, registry, settings)
        return service
    for recovery in start_models(registry, settings, routing.routes, refusal):
        service.recover_with(recovery)
    return service


def _start_together(
    service: Service,
    registry: Registry,
    routing: Routing,
    settings: Settings,
    refusal: OperatorError | None,
) -> None:
    """Load what settings and orders name, and follow the state that all workers share."""
    of_settings = routing.routes
    shared = open_state(settings)
    follower = open_follower(shared, registry, of_settings, routing.replace)
    is_ordered = registry.desired in follower.state.active
    for recovery in start_models(
        registry, settings, routing.routes, refusal, is_ordered=is_ordered
    ):
        service.recover_with(recovery)
    orders = follow(service, registry, shared, follower, of_settings)
    roll_back_everywhere(routing, orders)
    for watch in watch_store(settings):
        service.recover_with(watch)


def _open_metrics(settings: Settings) -> Metrics:
    return open_metrics(settings.metrics_dir, has_confidence=settings.log_classes)


def refuse_mistakes(settings: Settings) -> None:
    """Raise SettingsError with what is wrong with model and cache and that waiting cannot heal."""
    problems = model_mistakes(settings) + cache_mistakes(settings)
    if problems:
        raise SettingsError(list_problems(problems))


def model_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the models and their engine, before anything is loaded or fetched."""
    problems = find_mistakes(
        desired_model(settings),
        settings.fallback_model,
        settings.engine_options(1),
        probe_machine().cpu_flags,
        further_models(settings),
    )
    problems += find_route_mistakes(routed_models(settings, settings.model_routes))
    problems += store_mistakes(settings)
    return problems or memory_problems(settings, choose_sizing(settings))


def key_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the API keys: with their file, or that there are none by mistake."""
    if read_api_key() and not (settings.api_keys or settings.api_keys_file):
        return [_KEY_IS_NO_SETTING]
    if settings.api_keys_file:
        try:
            KeyFile(settings.api_keys_file)
        except SettingsError as error:
            return [f"TOPFIVE_API_KEYS_FILE: {error}"]
    return []


def list_problems(problems: Sequence[str]) -> str:
    """Write one problem as it is, several as a list."""
    if len(problems) == 1:
        return problems[0]
    return "topfive cannot start:\n" + "\n".join(f"  {one}" for one in problems)


def _open_traces(settings: Settings) -> Traces:
    if not settings.otlp_endpoint:
        return NoTraces()
    return open_traces(settings.otlp_endpoint, __version__)


def choose_sizing(settings: Settings) -> Sizing:
    """Choose workers and slots for this machine and these settings."""
    return plan_sizing(probe_machine(), settings.sizing_options)
