"""How often one caller may ask for a prediction."""

import logging
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from time import time
from typing import Any, cast

from flask import Flask, Response, current_app, request
from flask_limiter import Limit, Limiter

from topfive.api.auth import has_unknown_key, recognised_key
from topfive.api.request import current_route, mounted_service
from topfive.errors import RateLimited
from topfive.ratelimit.stores import CIRCUIT_BREAKER_SCHEME, StoreEvents, open_store
from topfive.telemetry.access import AccessLog

# One customer of a network provider has 2^64 addresses: they count as one.
_IPV6_PREFIX_BITS = 64
_EXTENSION = "topfive.quota"


def limit_rate(app: Flask, rate: str, storage_uri: str) -> None:
    """Limit each caller's pictures to `rate`; empty: no limit.

    The count lives at `storage_uri`, or in each worker's memory where that is empty. While it
    cannot be reached, nobody is limited.
    """
    if not rate:
        return
    # CircuitBreakerStore takes these as they are; the library knows of words and numbers only.
    options: Any = {
        "store": open_store(storage_uri or "memory://"),
        "events": _events(mounted_service(app).access_log),
    }
    limiter = Limiter(
        _caller,
        app=app,
        # Shared: all routes that take pictures have one quota together.
        default_limits=[
            Limit(rate, scope="predict", shared=True, exempt_when=_is_free, cost=_pictures)
        ],
        storage_uri=f"{CIRCUIT_BREAKER_SCHEME}://",
        storage_options=options,
    )
    # The library would write a line for every refusal, with what the caller is counted under.
    limiter.logger.setLevel(logging.WARNING)
    app.extensions[_EXTENSION] = limiter
    app.after_request(lambda response: _tell_quota(limiter, response))


def charge_further(pictures: int) -> None:
    """Count the pictures of a body beside the first, which was counted before it was read.

    Raises RateLimited where the caller's quota has not so many left.
    """
    if pictures > 0 and not further_quota()(pictures):
        raise RateLimited(
            f"The {pictures + 1} pictures of this request are more than is left of the quota. "
            "Send fewer at once, or wait as long as Retry-After says."
        )


def further_quota() -> Callable[[int], bool]:
    """Give what counts further pictures of this request, and tells whether so many were left.

    It counts after the view has returned too, when the library has forgotten what it counted.
    """
    limiter = cast("Limiter | None", current_app.extensions.get(_EXTENSION))
    counted = limiter.current_limit if limiter else None
    if limiter is None or counted is None:
        return lambda _: True
    limits, limit, names = limiter.limiter, counted.limit, counted.request_args
    return lambda pictures: limits.hit(limit, *names, cost=pictures)


def rate_limit_key(address: str | None, key_digest: str | None, has_wrong_key: bool) -> str:
    """Name what a caller's calls are counted under.

    A good API key counts for itself, wherever it is used. A wrong one counts against its sender's
    address, apart from that address's other callers: a flood of guesses is answered 429, and costs
    nobody else. A good key passes even then, or else anyone could lock out their neighbours; what
    makes guessing hopeless is the length of keys.
    """
    if key_digest is not None:
        return f"key:{key_digest}"
    where = _network(address or "")
    return f"wrong-key:{where}" if has_wrong_key else where


def _caller() -> str:
    key = recognised_key()
    key_text = rate_limit_key(request.remote_addr, key.digest if key else None, has_unknown_key())
    # A store that machines share gets neither addresses nor what a key could be guessed by.
    return sha256(key_text.encode()).hexdigest()[:32]


def _network(address: str) -> str:
    try:
        parsed = ip_address(_without_port(address))
    except ValueError:
        # A socket of this machine, or what a proxy writes for want of an address: one caller.
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - _IPV6_PREFIX_BITS):x}/{_IPV6_PREFIX_BITS}"


def _without_port(address: str) -> str:
    """Cut off the port that some proxies add: each connection would be a caller of its own."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _is_free() -> bool:
    return _pictures() == 0


def _pictures() -> int:
    route = current_route()
    return route.pictures if route else 0


def _events(access_log: AccessLog) -> StoreEvents:
    return StoreEvents(
        on_down=access_log.record_store_down,
        on_back=access_log.record_store_back,
        on_uncounted=access_log.record_store_error,
    )


def _tell_quota(limiter: Limiter, response: Response) -> Response:
    """Add the caller's quota to a response, in seconds from now as RateLimit-Reset is defined."""
    limit = limiter.current_limit
    if limit is None:
        return response
    # flask-limiter rounds the moment up to a whole second already.
    reset_s = str(max(1, min(int(limit.reset_at - time()), limit.limit.get_expiry())))
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(max(0, limit.remaining))
    response.headers["RateLimit-Reset"] = reset_s
    if response.status_code == 429:
        response.headers["Retry-After"] = reset_s
    return response
