"""How often one client may ask for a prediction."""

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

_HEADERS = {
    "RATELIMIT_HEADER_LIMIT": "RateLimit-Limit",
    "RATELIMIT_HEADER_REMAINING": "RateLimit-Remaining",
    "RATELIMIT_HEADER_RESET": "RateLimit-Reset",
    "RATELIMIT_HEADER_RETRY_AFTER_VALUE": "delta-seconds",
}


def limit_rate(app: Flask, rate: str, storage_uri: str) -> None:
    """Limit each client's calls of /predict to `rate`; empty: no limit.

    The count lives at `storage_uri`, or in each worker's memory where that is empty.
    """
    if not rate:
        return
    app.config.update(_HEADERS)
    Limiter(
        get_remote_address,
        app=app,
        application_limits=[],
        default_limits=[rate],
        default_limits_exempt_when=lambda: not request.path.startswith("/predict"),
        headers_enabled=True,
        storage_uri=storage_uri or "memory://",
        in_memory_fallback_enabled=bool(storage_uri),
    )
