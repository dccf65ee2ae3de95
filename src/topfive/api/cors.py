"""Which pages of other origins may call the API."""

from flask import Flask
from flask_cors import CORS

from topfive.api.auth import ROUTE_KEY_HEADER
from topfive.api.caching import CACHE_STATUS_HEADER
from topfive.api.schemas import DEGRADED_HEADER, MODEL_HEADER, PREDICTION_ID_HEADER

_EXPOSED = (
    "X-Request-ID",
    "Server-Timing",
    DEGRADED_HEADER,
    MODEL_HEADER,
    PREDICTION_ID_HEADER,
    CACHE_STATUS_HEADER,
    "Retry-After",
    "traceparent",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of `origins` (`*`: any) call the API from a browser; nothing without origins."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            allow_headers=[
                "Authorization",
                "Content-Type",
                "X-API-Key",
                "X-Request-ID",
                ROUTE_KEY_HEADER,
                "Cache-Control",
            ],
            expose_headers=list(_EXPOSED),
            max_age=600,
        )


def origin_headers(origins: tuple[str, ...], origin: str) -> dict[str, str]:
    """Make the headers that `allow_origins` adds to an answer for a page of `origin`.

    An empty `origin` is no page: whatever asks does not look at these headers.
    """
    is_allowed = any(one == "*" or one.lower() == origin.lower() for one in origins)
    if not origin or not is_allowed:
        return {}
    vary = {"Vary": "Origin"} if "*" in origins or len(origins) > 1 else {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": ", ".join(sorted(_EXPOSED)),
    } | vary
