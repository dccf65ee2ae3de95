"""Runs the real server with an engine that hangs on white pictures, for the tests of a stall."""

import sys
import time
from typing import Any

from topfive.api import App, create_app
from topfive.server import serve
from topfive.settings import Settings, read_settings
from topfive.wiring import choose_sizing


def create_stalling_app(settings: Settings) -> App:
    """Build the app, then make its engine hang where a picture is all white."""
    app = create_app(settings)
    serving = app.service.describe().state.serving
    assert serving is not None
    engine: Any = serving.engine
    infer = engine.infer

    def infer_or_hang(pixels: Any) -> Any:
        if pixels.min() == 255:
            time.sleep(3600)
        return infer(pixels)

    engine.infer = infer_or_hang
    return app


if __name__ == "__main__":
    settings = read_settings()
    sys.exit(serve(settings, choose_sizing(settings), create_stalling_app))
