"""`topfive serve`."""

from functools import partial
from pathlib import Path

import click

from topfive.bundles.description import describe_bundle
from topfive.bundles.store import open_bundle
from topfive.errors import Mistake, OperatorError, SettingsError
from topfive.provider.provide import provide_bundle
from topfive.registry.desired import ModelOptions, desired_name
from topfive.registry.loader import find_impostors, locate_bundle
from topfive.settings import ReadSettings, Settings, inherits_sockets, look_at_settings
from topfive.telemetry.logs import configure_logs, get_logger
from topfive.wiring import (
    cache_mistakes,
    choose_sizing,
    desired_model,
    further_models,
    history_mistakes,
    key_mistakes,
    list_problems,
    model_mistakes,
    prepare_history,
    routed_models,
    tell_fetching,
)

# A setting that is wrong has its default, about which there is nothing to say.
_PORT_FIELDS = frozenset({"host", "port", "metrics_port"})
_MODEL_FIELDS = frozenset(
    {"model", "fallback_model", "weights", "model_name", "labels", "models_dir", "engine",
     "precision", "model_store", "models", "model_memory_bytes", "workers", "input_resize",
     "input_crop", "input_mean", "input_std", "input_interpolation"}
)  # fmt: skip


@click.command()
@click.option("--host", help="The address to listen on, instead of TOPFIVE_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of TOPFIVE_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the API with Gunicorn until told to stop.

    The model's bundle is fetched or made first where it is missing. What waiting cannot heal (a
    setting, weights, labels, a port in use) stops the start with exit code 2. If official weights,
    a URL or the model store cannot be reached, the service starts all the same, says so in /health,
    and keeps trying.

    \b
    Examples:
      topfive serve
      TOPFIVE_MODEL=resnet50 topfive serve --port 8080
      TOPFIVE_WEIGHTS=birds.pth TOPFIVE_LABELS=birds.txt topfive serve
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    found = look_at_settings()
    settings = found.settings.model_copy(update=given)
    _refuse_mistakes(found, settings)
    # Gunicorn is not on Windows: the other commands work there without it. What the app is made of
    # is read here once, for all workers; the inference libraries come after the fork.
    from topfive.api import create_app  # noqa: PLC0415
    from topfive.server import serve as serve_until_stopped  # noqa: PLC0415

    configure_logs(settings.log_options)
    prepare_history(settings)
    _tell_of_impostors(settings)
    refusal = _pull_missing(settings)
    load = partial(create_app, refusal=refusal)
    serve_until_stopped(settings, choose_sizing(settings), load)


def _refuse_mistakes(found: ReadSettings, settings: Settings) -> None:
    """Raise SettingsError with all that can be seen to be wrong before anything slow is begun."""
    from topfive.server.ports import port_mistakes  # noqa: PLC0415 - as above

    problems = list(found.problems)
    if not found.wrong_fields & _PORT_FIELDS and not inherits_sockets():
        problems += port_mistakes(settings)
    if "api_keys_file" not in found.wrong_fields:
        problems += key_mistakes(settings)
    problems += cache_mistakes(settings)
    if "history_url" not in found.wrong_fields:
        problems += history_mistakes(settings)
    if not found.wrong_fields & _MODEL_FIELDS:
        problems += model_mistakes(settings)
    if problems:
        raise SettingsError(list_problems(problems))


def _tell_of_impostors(settings: Settings) -> None:
    if desired_model(settings).is_official:
        for folder in find_impostors(settings.models_dir):
            get_logger().warning(
                "bundle_not_served",
                folder=str(folder),
                reason="It has an official model's name, but was made of weights of one's own. "
                "Make it again with a name: topfive pull MODEL --weights FILE --name NAME.",
            )


def _tell_what_begins(options: ModelOptions) -> None:
    if options.may_be_stored:
        tell_fetching(options, desired_name(options))
    else:
        get_logger().info("model_pulling", model=desired_name(options))


def _tell_what_came(folder: Path | None, *, is_made: bool) -> None:
    """Log what has come; of what was made here all, so that a wrong file or recipe is seen."""
    if folder is None:
        return
    made = describe_bundle(open_bundle(folder))
    if not is_made:
        get_logger().info(
            "bundle_fetched", model=made.name, version=made.version, classes=made.classes
        )
        return
    get_logger().info(
        "bundle_made",
        model=made.name,
        version=made.version,
        classes=made.classes,
        first_classes=made.first_classes,
        recipe=made.recipe,
    )
    if made.repeated_classes:
        get_logger().warning("classes_repeated", names=made.repeated_classes)


def _pull_missing(settings: Settings) -> OperatorError | None:
    """Bring bundles that are missing; returns why not that of the desired model.

    Only errors that trying again may heal are returned; a Mistake is raised.
    """
    refusal = _pull_if_missing(desired_model(settings))
    for further in (*further_models(settings), *routed_models(settings, settings.model_routes)):
        _pull_if_missing(further)
    return refusal


def _pull_if_missing(options: ModelOptions) -> OperatorError | None:
    try:
        if locate_bundle(options) is None:
            _tell_what_begins(options)
            is_made = provide_bundle(options, is_shown=True)
            _tell_what_came(locate_bundle(options), is_made=is_made)
    except Mistake:
        raise
    except OperatorError as error:
        get_logger().warning("model_not_pulled", reason=str(error))
        return error
    return None
