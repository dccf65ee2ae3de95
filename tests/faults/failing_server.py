"""Runs the real server with models of which the version `failing` fails, and `slow` is slow."""

import sys
import time
from functools import partial
from typing import Any

from topfive.api import App, create_app
from topfive.classify.classifier import Classifier
from topfive.server import serve
from topfive.settings import Settings, read_settings
from topfive.wiring import choose_sizing

# More than any inference of the tiny model takes, on a busy machine too.
SLOW_S = 0.2

_check_golden = Classifier.check_golden


def _check_and_spoil(classifier: Classifier, **how: bool) -> None:
    """Check as ever, then spoil the engine from the first request on."""
    _check_golden(classifier, **how)
    engine: Any = classifier.engine
    if classifier.ref.version == "failing":
        engine.infer = _fail
    if classifier.ref.version == "slow":
        engine.infer = partial(_infer_slowly, engine.infer)


def _fail(_pixels: object) -> None:
    raise RuntimeError("the model cannot compute")


def _infer_slowly(infer: Any, pixels: object) -> Any:
    time.sleep(SLOW_S)
    return infer(pixels)


def create_failing_app(settings: Settings) -> App:
    """Build the app with such models."""
    patched: Any = Classifier
    patched.check_golden = _check_and_spoil
    return create_app(settings)


if __name__ == "__main__":
    settings = read_settings()
    sys.exit(serve(settings, choose_sizing(settings), create_failing_app))
