"""Runs the real server with an engine that works on white pictures until a file `go` is there."""

import sys
import time
from pathlib import Path
from typing import Any

from topfive.api import App, create_app
from topfive.server import serve
from topfive.settings import Settings, read_settings
from topfive.wiring import choose_sizing


def create_waiting_app(settings: Settings) -> App:
    """Build the app, then make its engine wait where a picture is all white."""
    app = create_app(settings)
    serving = app.service.describe().state.serving
    assert serving is not None
    engine: Any = serving.engine
    infer = engine.infer

    def infer_when_told(pixels: Any) -> Any:
        while pixels.min() == 255 and not Path("go").exists():
            time.sleep(0.01)
        return infer(pixels)

    engine.infer = infer_when_told
    return app


if __name__ == "__main__":
    settings = read_settings()
    sys.exit(serve(settings, choose_sizing(settings), create_waiting_app))
