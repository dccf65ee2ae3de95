"""Which pages of other origins may call the API."""

from flask import Flask
from flask_cors import CORS


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of `origins` (`*`: any) call the API from a browser; nothing without origins."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=[
                "X-Request-ID",
                "Server-Timing",
                "X-Topfive-Degraded",
                "Retry-After",
                "traceparent",
                "RateLimit-Limit",
                "RateLimit-Remaining",
                "RateLimit-Reset",
            ],
            max_age=600,
        )
