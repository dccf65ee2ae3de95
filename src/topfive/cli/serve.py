"""`topfive serve`."""

import click

from topfive.catalog.loader import locate_bundle, pull_in_own_process
from topfive.errors import OperatorError
from topfive.settings import Settings, read_settings
from topfive.telemetry.logs import configure_logs, get_logger
from topfive.wiring import choose_sizing, wanted_model


@click.command()
@click.option("--host", help="The address to listen on, instead of TOPFIVE_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of TOPFIVE_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the API with Gunicorn until told to stop.

    The model's bundle is made first where it is missing. If it cannot be made, the service starts
    all the same, says so in /health, and keeps trying.

    \b
    Examples:
      topfive serve
      TOPFIVE_MODEL=resnet50 topfive serve --port 8080
      TOPFIVE_WEIGHTS=mobilenet_v2.pth topfive serve
    """
    # Gunicorn is not on Windows: the other commands work there without it. What the app is made of
    # is read here once, for all workers; the inference libraries come after the fork.
    from topfive.api import create_app  # noqa: PLC0415
    from topfive.server import serve as serve_until_stopped  # noqa: PLC0415

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = read_settings().model_copy(update=given)
    configure_logs(settings.log_options)
    _pull_if_missing(settings)
    serve_until_stopped(settings, choose_sizing(settings), create_app)


def _pull_if_missing(settings: Settings) -> None:
    options = wanted_model(settings)
    try:
        if locate_bundle(options) is None:
            get_logger().info("model_pulling", model=options.model)
            pull_in_own_process(options, is_shown=True)
    except OperatorError as error:
        get_logger().warning("model_not_pulled", reason=str(error))
