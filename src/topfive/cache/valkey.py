"""Entries in Valkey or Redis, for several machines."""

from typing import Any

from topfive.cache.store import Kept
from topfive.redis_client import open_redis

# What a request waits for the store at the most, once.
_TIMEOUT_S = 0.25
_POLL_S = 0.01
# A claim is longer than nearly all work under it, and short enough to wait for if its holder died.
_CLAIM_MS = 2000
_ENTRY_PREFIX = b"topfive:cache:"
_CLAIM_PREFIX = b"topfive:claim:"


class ValkeyStore:
    """Entries that expire `ttl_s` seconds after they were put; the server bounds their bytes."""

    poll_s = _POLL_S

    def __init__(self, url: str, ttl_s: int) -> None:
        self._client: Any = open_redis(url, _TIMEOUT_S, retries=False)
        self._ttl_s = ttl_s

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its client raises."""
        from redis import RedisError  # noqa: PLC0415 - only where it is used

        return RedisError, OSError

    def get(self, key: bytes) -> bytes | None:
        """Return an entry, a broken one where something else has its name; None without any."""
        from redis import ResponseError  # noqa: PLC0415 - only where it is used

        try:
            found = self._client.get(_ENTRY_PREFIX + key.hex().encode())
        except ResponseError as error:
            # A list or the like: the server works, and what is wrong is this entry alone.
            if not str(error).startswith("WRONGTYPE"):
                raise
            return b""
        return found if isinstance(found, bytes) else None

    def put(self, key: bytes, entry: bytes) -> Kept:
        """Keep an entry; what the server evicts for it is not known here."""
        self._client.set(_ENTRY_PREFIX + key.hex().encode(), entry, ex=self._ttl_s)
        return Kept(is_kept=True)

    def drop(self, key: bytes) -> None:
        """Forget an entry."""
        self._client.delete(_ENTRY_PREFIX + key.hex().encode())

    def claim(self, key: bytes) -> bool:
        """Set a key that expires by itself, unless another process has."""
        name = _CLAIM_PREFIX + key.hex().encode()
        return bool(self._client.set(name, b"1", nx=True, px=_CLAIM_MS))

    def release(self, key: bytes) -> None:
        """Delete that key; at worst another's claim, so that a picture is classified twice."""
        self._client.delete(_CLAIM_PREFIX + key.hex().encode())

    def used_bytes(self) -> int:
        """Tell that the entries take none of this machine's memory."""
        return 0

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
