"""The joining place: settings in, a running service out."""

from topfive import __version__
from topfive.admission.capacity import Gate
from topfive.admission.memory import MemoryBudget
from topfive.catalog.catalog import Catalog
from topfive.catalog.loader import (
    LoadOptions,
    ModelOptions,
    explain,
    load_present,
    model_name,
    obtain_model,
)
from topfive.catalog.recovery import Backoff, Recovery
from topfive.classify.classifier import Classifier
from topfive.errors import OperatorError
from topfive.machine.probe import probe_machine
from topfive.machine.sizing import Sizing, plan_sizing
from topfive.service import Service, ServiceLimits
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger
from topfive.telemetry.metrics import Metrics, NoMetrics, open_metrics
from topfive.telemetry.traces import NoTraces, Traces, open_traces


def build_service(settings: Settings, *, is_watched: bool = False) -> Service:
    """Build a service and load its model; what cannot be loaded leaves it degraded or unavailable.

    With `is_watched` it keeps metrics, and sends traces where settings say so. Never raises for a
    missing model: the service keeps trying in the background.
    """
    sizing = choose_sizing(settings)
    catalog = Catalog(model_name(settings.model))
    limits = ServiceLimits(settings.image_limits, settings.request_timeout_s)
    gate, memory = Gate(sizing.slots, sizing.queue), MemoryBudget(sizing.decoding_bytes)
    metrics = _open_metrics(settings) if is_watched else NoMetrics()
    traces = _open_traces(settings) if is_watched else NoTraces()
    service = Service(catalog, gate, memory, sizing, limits, metrics, traces)
    how = LoadOptions(
        settings.engine_options(sizing.slots), settings.image_limits, probe_machine().cpu_flags
    )
    try:
        _publish(catalog, load_present(wanted_model(settings), how))
    except OperatorError as error:
        _log_refusal(error, wait_s=Backoff().wait_s(1))
        _publish_fallback(catalog, settings, how, error)
        service.recover_with(_start_recovery(catalog, settings, how))
    return service


def _open_metrics(settings: Settings) -> Metrics:
    return open_metrics(settings.metrics_dir, has_confidence=settings.log_classes)


def _open_traces(settings: Settings) -> Traces:
    if not settings.otlp_endpoint:
        return NoTraces()
    return open_traces(settings.otlp_endpoint, __version__)


def choose_sizing(settings: Settings) -> Sizing:
    """Choose workers and slots for this machine and these settings."""
    return plan_sizing(probe_machine(), settings.sizing_options)


def wanted_model(settings: Settings) -> ModelOptions:
    """Gather what settings say of the wanted model."""
    return ModelOptions(settings.model, settings.weights, settings.labels, settings.models_dir)


def _publish(catalog: Catalog, classifier: Classifier) -> None:
    catalog.publish(classifier)
    _log_refused_engines(classifier)
    get_logger().info(
        "model_loaded",
        model=classifier.ref.name,
        version=classifier.ref.version,
        engine=classifier.engine.name,
        precision=classifier.engine.precision,
    )


def _publish_fallback(
    catalog: Catalog, settings: Settings, how: LoadOptions, cause: OperatorError
) -> None:
    catalog.explain(explain(cause, catalog.wanted))
    if not settings.fallback_model:
        get_logger().error("model_unavailable", model=catalog.wanted, reason=str(cause))
        return
    options = ModelOptions(settings.fallback_model, "", None, settings.models_dir)
    try:
        classifier = load_present(options, how)
    except OperatorError as error:
        get_logger().error("fallback_refused", model=settings.fallback_model, reason=str(error))
        return
    catalog.publish_fallback(classifier, explain(cause, catalog.wanted))
    _log_refused_engines(classifier)
    get_logger().warning(
        "model_degraded", model=catalog.wanted, serving=classifier.ref.name, reason=str(cause)
    )


def _log_refused_engines(classifier: Classifier) -> None:
    for one in classifier.refused:
        get_logger().warning(
            "engine_refused",
            model=classifier.ref.name,
            engine=one.engine,
            precision=one.precision,
            reason=one.detail,
        )


def _start_recovery(catalog: Catalog, settings: Settings, how: LoadOptions) -> Recovery:
    recovery = Recovery(
        attempt=lambda: _publish(catalog, obtain_model(wanted_model(settings), how)),
        on_failure=_log_refusal,
        backoff=Backoff(),
    )
    recovery.start()
    return recovery


def _log_refusal(error: OperatorError, wait_s: float) -> None:
    get_logger().warning("model_refused", reason=str(error), retry_in_s=wait_s)
