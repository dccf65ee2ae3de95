"""How often one client may ask for a prediction."""

from time import time
from typing import Any

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

_NETWORK_SCHEMES = ("redis", "valkey", "memcached")
_NETWORK_OPTIONS: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}


def limit_rate(app: Flask, rate: str, storage_uri: str) -> None:
    """Limit each client's calls of /predict to `rate`; empty: no limit.

    The count lives at `storage_uri`, or in each worker's memory where that is empty.
    """
    if not rate:
        return
    limiter = Limiter(
        get_remote_address,
        app=app,
        default_limits=[rate],
        default_limits_exempt_when=lambda: not request.path.startswith("/predict"),
        storage_uri=storage_uri or "memory://",
        storage_options=_NETWORK_OPTIONS if storage_uri.startswith(_NETWORK_SCHEMES) else {},
        # A store that is down must not stop predictions: each worker counts for itself then.
        in_memory_fallback_enabled=bool(storage_uri),
    )
    app.after_request(lambda response: _tell_quota(limiter, response))


def _tell_quota(limiter: Limiter, response: Response) -> Response:
    """Add the caller's quota to a response, in seconds from now as RateLimit-Reset is defined."""
    limit = limiter.current_limit
    if limit is None:
        return response
    # flask-limiter rounds the moment up to a whole second already.
    reset_s = str(max(1, int(limit.reset_at - time())))
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(max(0, limit.remaining))
    response.headers["RateLimit-Reset"] = reset_s
    if response.status_code == 429:
        response.headers["Retry-After"] = reset_s
    return response
