"""Which models settings name, and how a worker begins with them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from topfive.bundles.official import IMAGENET_CLASSES
from topfive.bundles.store import read_manifest
from topfive.bundles.versions import LATEST, KnownBundle, split_reference
from topfive.classify.classifier import Classifier
from topfive.concurrency.backoff import Backoff
from topfive.errors import Mistake, OperatorError
from topfive.machine.probe import probe_machine
from topfive.machine.sizing import Sizing
from topfive.models import RouteView
from topfive.predictions import ModelRef
from topfive.provider.provide import provide_bundle
from topfive.registry.desired import ModelOptions, desired_name, named_model, resolve
from topfive.registry.known import known_bundles
from topfive.registry.loader import (
    LoadOptions,
    explain,
    locate_bundle,
    obtain_bundle,
    open_classifier,
    require_located,
)
from topfive.registry.memory import ModelMemory, estimate_bytes
from topfive.registry.recovery import Recovery
from topfive.registry.registry import Registry
from topfive.registry.routes import references
from topfive.registry.status import ModelState, ModelStatus
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger
from topfive.wiring.stores import bring_stored, stored_list

_MIB = 1024**2


def desired_model(settings: Settings) -> ModelOptions:
    """Gather what settings say of the desired model."""
    model, version = split_reference(settings.model)
    return ModelOptions(
        model,
        settings.weights,
        settings.labels,
        settings.models_dir,
        settings.model_name,
        settings.recipe,
        version or "",
        settings.model_store,
    )


def further_models(settings: Settings) -> tuple[ModelOptions, ...]:
    """List the models that are loaded beside the desired one, and stay loaded."""
    return tuple(
        named_model(one, settings.models_dir, settings.model_store)
        for one in settings.further_models
    )


def routed_models(settings: Settings, routes: Mapping[str, RouteView]) -> tuple[ModelOptions, ...]:
    """List the models that routes lead to and nothing else names; they are loaded for them."""
    named = {settings.model, desired_name(desired_model(settings)), *settings.further_models}
    routed = {str(one): None for route in routes.values() for one in references(route)}
    return tuple(
        named_model(one, settings.models_dir, settings.model_store)
        for one in routed
        if one not in named
    )


def memory_problems(settings: Settings, sizing: Sizing) -> list[str]:
    """Tell if the models that settings name need more memory than models may take."""
    named = (
        desired_model(settings),
        *further_models(settings),
        *routed_models(settings, settings.model_routes),
    )
    folders = {folder for one in named if (folder := locate_bundle(one)) is not None}
    needed = sum(estimate_bytes(KnownBundle(one, read_manifest(one))) for one in folders)
    if needed <= sizing.model_bytes:
        return []
    problem = (
        f"The models that are named need about {needed / _MIB:.0f} MB in each worker, and models "
        f"may take {sizing.model_bytes / _MIB:.0f} MB. Name fewer in TOPFIVE_MODELS or "
        "TOPFIVE_ROUTES, set TOPFIVE_MODEL_MEMORY_BYTES higher, or have fewer TOPFIVE_WORKERS."
    )
    return [problem]


def open_registry(settings: Settings, sizing: Sizing) -> Registry:
    """Open the registry of a worker; nothing is loaded yet."""
    options = LoadOptions(
        settings.engine_options(sizing.slots, sizing.batch_slots),
        settings.image_limits,
        probe_machine().cpu_flags,
    )
    named = (desired_model(settings), *further_models(settings))
    folders = [Path(one.model) for one in named if one.is_directory]
    return Registry(
        desired_name(named[0]),
        known_bundles(settings.models_dir, folders, stored_list(settings)),
        partial(open_classifier, options=options),
        ModelMemory(sizing.model_bytes),
        partial(bring_stored, named[0]),
    )


def start_models(
    registry: Registry,
    settings: Settings,
    routes: Mapping[str, RouteView],
    refusal: OperatorError | None = None,
    *,
    is_ordered: bool = False,
) -> list[Recovery]:
    """Load what settings name and `routes` lead to; returns what goes on trying.

    `refusal` is why the desired model could not be made before. With `is_ordered` an order has made
    another version of it the active one, which is loaded elsewhere.
    """
    started = [] if is_ordered else _start_desired(registry, settings, refusal)
    for one in further_models(settings):
        started += _start_further(registry, one, is_pinned=True)
    for one in routed_models(settings, routes):
        started += _start_further(registry, one, is_pinned=False)
    return started


def _start_desired(
    registry: Registry, settings: Settings, refusal: OperatorError | None
) -> list[Recovery]:
    options = desired_model(settings)
    try:
        _activate(registry, require_located(options))
    except Mistake as mistake:
        _give_up(registry, mistake)
    except OperatorError as error:
        cause = refusal or error
        recovery = Recovery(
            attempt=lambda: _activate(registry, obtain_bundle(options, provide_bundle)),
            on_failure=lambda failure, wait_s: _refuse(registry, failure, wait_s),
            backoff=Backoff(),
        )
        _refuse(registry, cause, recovery.wait_s)
        _let_fallback_stand_in(registry, settings, cause)
        recovery.start()
        return [recovery]
    return []


def _start_further(registry: Registry, options: ModelOptions, *, is_pinned: bool) -> list[Recovery]:
    """Load a model beside the desired one; an official one that is not here yet is waited for."""
    try:
        _load_beside(registry, require_located(options), is_pinned=is_pinned)
    except Mistake as mistake:
        _refuse_further(registry, options, mistake, None, is_pinned=is_pinned)
    except OperatorError as error:
        recovery = Recovery(
            attempt=lambda: _load_beside(
                registry, obtain_bundle(options, provide_bundle), is_pinned=is_pinned
            ),
            on_failure=lambda failure, wait_s: _refuse_further(
                registry, options, failure, wait_s, is_pinned=is_pinned
            ),
            backoff=Backoff(),
        )
        _refuse_further(registry, options, error, recovery.wait_s, is_pinned=is_pinned)
        recovery.start()
        return [recovery]
    return []


def _activate(registry: Registry, folder: Path) -> None:
    ref = registry.load_folder(folder)
    registry.activate(ref)
    log_loaded(registry, ref)


def _load_beside(registry: Registry, folder: Path, *, is_pinned: bool) -> None:
    log_loaded(registry, registry.load_folder(folder, is_pinned=is_pinned))


def log_loaded(registry: Registry, ref: ModelRef) -> None:
    """Log that a version is loaded, and which engines were refused."""
    with registry.lease(ref) as classifier:
        _log_refused_engines(classifier)
        get_logger().info(
            "model_loaded",
            model=ref.name,
            version=ref.version,
            engine=classifier.engine.name,
            precision=classifier.engine.precision,
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


def _let_fallback_stand_in(registry: Registry, settings: Settings, cause: OperatorError) -> None:
    """Let the fallback stand in for an official model; for one of one's own nothing does."""
    if settings.fallback_model and desired_model(settings).is_official:
        options = named_model(settings.fallback_model, settings.models_dir)
        try:
            ref = registry.load_folder(require_located(options))
        except OperatorError as error:
            get_logger().error("fallback_refused", model=options.model, reason=str(error))
        else:
            registry.stand_in(ref, explain(cause, registry.desired))
            with registry.lease(ref) as classifier:
                _log_refused_engines(classifier)
    _tell_what_answers(registry, cause)


def _tell_what_answers(registry: Registry, cause: OperatorError) -> None:
    stand_in = registry.state.serving
    if stand_in is None:
        get_logger().error("model_unavailable", model=registry.desired, reason=str(cause))
        return
    get_logger().warning(
        "model_degraded", model=registry.desired, serving=stand_in.ref.name, reason=str(cause)
    )


def _refuse(registry: Registry, error: OperatorError, wait_s: float | None) -> None:
    """Log why the model does not serve and when it is tried again, and say it in public words."""
    if wait_s is None:
        _give_up(registry, error)
        return
    get_logger().warning("model_refused", reason=str(error), retry_in_s=wait_s)
    registry.explain(explain(error, registry.desired))


def _give_up(registry: Registry, error: OperatorError) -> None:
    """Say why the model does not serve, where it is not tried again."""
    registry.explain(explain(error, registry.desired))
    _tell_what_answers(registry, error)


def _refuse_further(
    registry: Registry,
    options: ModelOptions,
    error: OperatorError,
    wait_s: float | None,
    *,
    is_pinned: bool,
) -> None:
    """Log why a further model is not loaded; one that can be waited for is told as missing."""
    name = desired_name(options)
    get_logger().warning("further_model_refused", model=name, reason=str(error), retry_in_s=wait_s)
    if wait_s is None and not options.may_be_stored:
        return
    official = resolve(options).official if options.is_official else None
    registry.note_missing(
        ModelStatus(
            ref=ModelRef(name, official.version if official else options.version or LATEST),
            digest="",
            architecture=official.architecture if official else "",
            num_classes=IMAGENET_CLASSES if official else 0,
            state=ModelState.FAILED,
            reason=explain(error, name),
            is_pinned=is_pinned,
        )
    )
