"""The joining place: settings in, a running service out."""

from collections.abc import Sequence

from topfive import __version__
from topfive.auth.keyfile import KeyFile
from topfive.catalog.catalog import Catalog
from topfive.catalog.desired import ModelOptions, desired_name
from topfive.catalog.loader import LoadOptions, explain, load_present, obtain_model
from topfive.catalog.mistakes import find_mistakes
from topfive.catalog.recovery import Backoff, Recovery
from topfive.classify.classifier import Classifier
from topfive.concurrency.limiter import ConcurrencyLimiter
from topfive.concurrency.memory import MemoryBudget
from topfive.errors import Mistake, OperatorError, SettingsError
from topfive.machine.probe import probe_machine
from topfive.machine.sizing import Sizing, plan_sizing
from topfive.provider.pull_process import pull_in_own_process
from topfive.service import Service, ServiceLimits
from topfive.settings import Settings
from topfive.telemetry.access import AccessLog
from topfive.telemetry.logs import get_logger
from topfive.telemetry.metrics import Metrics, NoMetrics, open_metrics
from topfive.telemetry.traces import NoTraces, Traces, open_traces


def build_service(
    settings: Settings, *, has_telemetry: bool = False, refusal: OperatorError | None = None
) -> Service:
    """Build a service and load its model; what cannot be loaded leaves it degraded or unavailable.

    With `has_telemetry` it keeps metrics, and sends traces where settings say so. `refusal` is why
    the model could not be made before, where that was tried. Never raises for a missing model: the
    service keeps trying in the background where that can help.
    """
    sizing = choose_sizing(settings)
    catalog = Catalog(desired_name(desired_model(settings)))
    limits = ServiceLimits(settings.image_limits, settings.request_timeout_s)
    limiter = ConcurrencyLimiter(sizing.slots, sizing.queue)
    memory = MemoryBudget(sizing.decoding_bytes)
    metrics = _open_metrics(settings) if has_telemetry else NoMetrics()
    traces = _open_traces(settings) if has_telemetry else NoTraces()
    service = Service(catalog, limiter, memory, sizing, limits, metrics, AccessLog(metrics, traces))
    load_options = LoadOptions(
        settings.engine_options(sizing.slots), settings.image_limits, probe_machine().cpu_flags
    )
    try:
        _activate(catalog, load_present(desired_model(settings), load_options))
    except Mistake as mistake:
        _give_up(catalog, mistake)
    except OperatorError as error:
        cause = refusal or error
        _refuse(catalog, cause, Backoff().wait_s(1))
        _activate_fallback(catalog, settings, load_options, cause)
        service.recover_with(_start_recovery(catalog, settings, load_options))
    return service


def _open_metrics(settings: Settings) -> Metrics:
    return open_metrics(settings.metrics_dir, has_confidence=settings.log_classes)


def refuse_mistakes(settings: Settings) -> None:
    """Raise SettingsError with all that is wrong with the model and that waiting cannot heal."""
    problems = model_mistakes(settings)
    if problems:
        raise SettingsError(list_problems(problems))


def model_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the model and its engine, before anything is loaded or fetched."""
    return find_mistakes(
        desired_model(settings),
        settings.fallback_model,
        settings.engine_options(1),
        probe_machine().cpu_flags,
    )


def key_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the file of API keys, where one is set."""
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


def desired_model(settings: Settings) -> ModelOptions:
    """Gather what settings say of the desired model."""
    return ModelOptions(
        settings.model,
        settings.weights,
        settings.labels,
        settings.models_dir,
        settings.model_name,
        settings.recipe,
    )


def _activate(catalog: Catalog, classifier: Classifier) -> None:
    catalog.activate(classifier)
    _log_refused_engines(classifier)
    get_logger().info(
        "model_loaded",
        model=classifier.ref.name,
        version=classifier.ref.version,
        engine=classifier.engine.name,
        precision=classifier.engine.precision,
    )


def _activate_fallback(
    catalog: Catalog, settings: Settings, load_options: LoadOptions, cause: OperatorError
) -> None:
    """Let the fallback stand in for an official model; for one of one's own nothing does."""
    if settings.fallback_model and desired_model(settings).is_official:
        options = ModelOptions(settings.fallback_model, "", None, settings.models_dir)
        try:
            classifier = load_present(options, load_options)
        except OperatorError as error:
            get_logger().error("fallback_refused", model=options.model, reason=str(error))
        else:
            catalog.activate_fallback(classifier, explain(cause, catalog.desired))
            _log_refused_engines(classifier)
    _tell_what_answers(catalog, cause)


def _tell_what_answers(catalog: Catalog, cause: OperatorError) -> None:
    stand_in = catalog.state.serving
    if stand_in is None:
        get_logger().error("model_unavailable", model=catalog.desired, reason=str(cause))
        return
    get_logger().warning(
        "model_degraded", model=catalog.desired, serving=stand_in.ref.name, reason=str(cause)
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


def _start_recovery(catalog: Catalog, settings: Settings, load_options: LoadOptions) -> Recovery:
    recovery = Recovery(
        attempt=lambda: _activate(
            catalog, obtain_model(desired_model(settings), load_options, pull_in_own_process)
        ),
        on_failure=lambda error, wait_s: _refuse(catalog, error, wait_s),
        backoff=Backoff(),
    )
    recovery.start()
    return recovery


def _refuse(catalog: Catalog, error: OperatorError, wait_s: float | None) -> None:
    """Log why the model does not serve and when it is tried again, and say it in public words."""
    if wait_s is None:
        _give_up(catalog, error)
        return
    get_logger().warning("model_refused", reason=str(error), retry_in_s=wait_s)
    catalog.explain(explain(error, catalog.desired))


def _give_up(catalog: Catalog, error: OperatorError) -> None:
    """Say why the model does not serve, where it is not tried again."""
    catalog.explain(explain(error, catalog.desired))
    _tell_what_answers(catalog, error)
