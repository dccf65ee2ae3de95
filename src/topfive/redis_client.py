"""How Redis and Valkey are named and reached; Valkey speaks Redis' protocol."""

from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "redis+unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+unix": "unix",
}
REDIS_SCHEMES = tuple(_SCHEMES)


def check_redis_url(url: str, further_schemes: tuple[str, ...] = ()) -> None:
    """Raise ValueError if `url` names no store that can be used here; it is not quoted."""
    scheme = url.partition("://")[0]
    known = (*further_schemes, *REDIS_SCHEMES)
    if "://" not in url or scheme not in known:
        raise ValueError(f"it must begin with one of {', '.join(known)}, and ://")
    try:
        _ = urlsplit(url).port
    except ValueError:
        # The library's own text would quote what may be part of a password.
        raise ValueError(
            "its port is not a number; in a password, write : / ? # [ ] @ as %3A and the like"
        ) from None
    if scheme in REDIS_SCHEMES and find_spec("redis") is None:
        raise ValueError("the library `redis` is not installed")


def open_redis(url: str, timeout_s: float, *, retries: bool = True) -> Any:
    """Make a client; a store that is away is noticed when it is first used."""
    from redis import Redis  # noqa: PLC0415 - only where it is used

    scheme, _, rest = url.partition("://")
    return Redis.from_url(
        f"{_SCHEMES[scheme]}://{rest}",
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        **({} if retries else no_retries()),
    )


def no_retries() -> dict[str, Any]:
    """Options for a client that asks once: trying again is left to a circuit breaker."""
    from redis.backoff import NoBackoff  # noqa: PLC0415 - only where it is used
    from redis.retry import Retry  # noqa: PLC0415

    return {"retry": Retry(NoBackoff(), 0)}
