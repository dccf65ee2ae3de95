"""What libraries raise while a store is used, told in plain words without the library's text."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from urllib.error import HTTPError, URLError

from topfive.errors import StoreDenied, StoreUnreachable

_KINDS = (OSError, HTTPException, ValueError, RuntimeError)
_REFUSED_STATUSES = {401, 403}
_MISSING_STATUSES = {404, 410}
# Google's library has no kind of error of its own for 403.
_FORBIDDEN = "Forbidden:"
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_LOGIN_CODES = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
# By the kind of an error, or a word in the name that a cloud's library gives it.
_WORDS = (
    (TimeoutError, "Timeout", "it did not answer in time"),
    (socket.gaierror, "ConnectorDNSError", "its name is not known"),
    (ssl.SSLError, "SSLError", "its certificate or TLS was refused"),
    (ConnectionRefusedError, "EndpointConnectionError", "nothing answers there"),
    (ConnectionRefusedError, "ConnectorError", "nothing answers there"),
    (ConnectionError, "ClosedError", "the connection broke off"),
    (IncompleteRead, "Payload", "the connection broke off"),
    (NotImplementedError, "Checksum", "what came is not what was stored"),
)


class FileMissing(StoreDenied):
    """A store has no file of that name; in the middle of a push that is no fault."""


@dataclass(frozen=True, slots=True)
class FailureWords:
    """How one store's failures are told: its address, what to do where it refuses, and what its
    library raises beside the errors of the system and of HTTP.
    """

    shown: str
    if_refused: str
    kinds: tuple[type[Exception], ...] = ()

    @contextmanager
    def told(self, path: str = "", *, passing: type[OSError] | None = None) -> Iterator[None]:
        """Turn what is raised into StoreUnreachable, StoreDenied or FileMissing.

        `path` is what is used of the store. An error of the kind `passing` stays as it is.
        """
        kinds: tuple[type[Exception], ...] = (*_KINDS, *self.kinds)
        try:
            yield
        except kinds as error:
            if passing is not None and isinstance(error, passing):
                raise
            raise self._translate(f"{self.shown}/{path}".rstrip("/"), error) from error

    def _translate(self, what: str, error: Exception) -> StoreUnreachable:
        status = _status_of(error)
        if _is_refusal(error) or status in _REFUSED_STATUSES or _is_login(error):
            return StoreDenied(f"{what}: the store refuses access. {self.if_refused}.")
        if isinstance(error, FileNotFoundError) or status in _MISSING_STATUSES:
            return FileMissing(f"There is nothing at {what} that can be seen.")
        return StoreUnreachable(f"{what} cannot be used now: {_reason(error)}.")


def _status_of(error: Exception) -> object:
    """Tell the status that a server answered, by the names that libraries have for it."""
    found = (getattr(error, name, None) for name in ("status_code", "code", "status"))
    return next((one for one in found if isinstance(one, int)), None)


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, PermissionError) or str(error).startswith(_FORBIDDEN)


def _is_login(error: BaseException | None) -> bool:
    """Tell an error about credentials by its name: each cloud's library has its own."""
    return any(word in type(error).__name__ for word in ("Credential", "Auth", "TokenRetrieval"))


def is_login_failure(error: BaseException | None) -> bool:
    """Tell whether a refusal is of who asks, whatever they ask for; S3 says so by a code."""
    answer = getattr(getattr(error, "__cause__", None), "response", {})
    return _is_login(error) or answer.get("Error", {}).get("Code") in _LOGIN_CODES


def _reason(error: BaseException) -> str:
    if isinstance(error, HTTPError):
        return f"it answers {error.code}"
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    name = type(error).__name__
    for kind, word, told in _WORDS:
        if isinstance(error, kind) or word in name:
            return told
    return (error.strerror if isinstance(error, OSError) else None) or name
