"""For plain Gunicorn: `gunicorn -c docker/gunicorn.conf.py 'topfive.api:create_app()'`.

It reads topfive's settings and takes every option from where `topfive serve` takes it. Unlike
`topfive serve`, it leaves a missing bundle to the workers, which make it in the background: weights
that turn out not to fit leave the service unavailable, with the reason in its log.
"""

import sys
from contextlib import ExitStack

from topfive.errors import Mistake, OperatorError
from topfive.server import gunicorn_options
from topfive.server.shared_files import shared_files
from topfive.settings import read_settings
from topfive.telemetry.logs import configure_logs, log_what_python_reports
from topfive.wiring import choose_sizing, prepare_history, refuse_mistakes

files = ExitStack()


def stop(error: OperatorError) -> None:
    """Say what is wrong and end, as `topfive serve` does."""
    sys.stderr.write(f"Error: {error}\n")
    sys.exit(2 if isinstance(error, Mistake) else 1)


try:
    settings = read_settings()
    complete = files.enter_context(shared_files(settings))
except OperatorError as error:
    stop(error)

configure_logs(settings.log_options)
log_what_python_reports()
globals().update(gunicorn_options(complete, choose_sizing(complete)))
# Workers read the settings again, and must find where they count together.
raw_env = [
    f"TOPFIVE_RATE_LIMIT_STORAGE={complete.rate_limit_storage}",
    f"TOPFIVE_METRICS_DIR={complete.metrics_dir}",
    f"TOPFIVE_WORKERS_DIR={complete.workers_dir}",
    f"TOPFIVE_CACHE_DIR={complete.cache_dir or ''}",
]


def on_starting(_arbiter: object) -> None:
    """End at once where waiting cannot heal what is wrong with the model or the history."""
    try:
        refuse_mistakes(settings)
        prepare_history(settings)
    except Mistake as mistake:
        files.close()
        stop(mistake)


def on_exit(_arbiter: object) -> None:
    """Delete what workers shared."""
    files.close()
