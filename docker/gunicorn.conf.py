"""For plain Gunicorn: `gunicorn -c docker/gunicorn.conf.py 'topfive.api:create_app()'`.

It reads topfive's settings and takes every option from where `topfive serve` takes it. Unlike
`topfive serve`, it leaves a missing bundle to the workers, which make it in the background.
"""

import sys

from topfive.errors import OperatorError
from topfive.server import gunicorn_options
from topfive.settings import read_settings
from topfive.telemetry.logs import configure_logs
from topfive.wiring import choose_sizing

try:
    settings = read_settings()
except OperatorError as error:
    sys.exit(f"Error: {error}")

configure_logs(settings.log_options)
globals().update(gunicorn_options(settings, choose_sizing(settings)))
