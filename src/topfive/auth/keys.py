"""API keys: kept as SHA-256 digests, compared in constant time, each with its scopes."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from topfive.errors import Forbidden, Unauthorized

SCOPES: tuple[str, ...] = ("predict", "admin")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key's SHA-256 digest in hex and what it allows."""

    digest: str
    scopes: frozenset[str]


class ApiKeys:
    """The keys that are accepted; `sources` are asked for them at every request."""

    def __init__(self, *sources: Callable[[], tuple[ApiKey, ...]]) -> None:
        self._sources = sources

    def check(self, key: ApiKey | None, scope: str) -> None:
        """Raise Unauthorized where no key was found, Forbidden for one without `scope`."""
        if key is None:
            raise Unauthorized("Send a valid API key: `Authorization: Bearer KEY` or `X-API-Key`.")
        if scope not in key.scopes:
            raise Forbidden(f"This API key does not have the scope {scope!r}.")

    def find(self, presented: str) -> ApiKey | None:
        """Find the key that was presented; None if it is empty, or there is no such key."""
        if not presented:
            return None
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).hexdigest()
        found: ApiKey | None = None
        for key in (key for source in self._sources for key in source()):
            # Every key is compared, so that time does not tell which one was near.
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


class NoApiKeys:
    """Stands in where no keys are set: everyone may do everything."""

    def check(self, key: ApiKey | None, scope: str) -> None:
        """Let the request pass."""

    def find(self, _presented: str) -> ApiKey | None:
        """Know no key."""
        return None


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Read `DIGEST[:SCOPE[+SCOPE]]` entries, separated by commas; the default scope is `predict`.

    Raises ValueError with the entry's number, never with its text.
    """
    return tuple(
        _parse_key(entry.strip(), number)
        for number, entry in enumerate(text.split(","), start=1)
        if entry.strip()
    )


def _parse_key(entry: str, number: int) -> ApiKey:
    digest, _, scopes = entry.partition(":")
    if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
        raise ValueError(
            f"entry {number} is not a SHA-256 digest in hex; make one with: "
            "printf %s KEY | sha256sum"
        )
    chosen = frozenset(scopes.split("+")) if scopes else frozenset({"predict"})
    if not chosen <= set(SCOPES):
        raise ValueError(f"entry {number} has an unknown scope; known: {', '.join(SCOPES)}")
    return ApiKey(digest.lower(), chosen)
