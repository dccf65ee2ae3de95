"""What both clients share below HTTP: addresses, connections, and errors in topfive's words."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from topfive import __version__
from topfive.client.answers import Answer
from topfive.client.calls import Call
from topfive.client.errors import ClientError, NotTopfive, TimeExceeded, Unreachable
from topfive.client.retries import Tries

# The service keeps connections for 75 s; whoever reuses one should be the first to end it.
_KEPT_S = 60.0
_CONNECT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service to ask: its address, what every request carries, and how long it is tried."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float
    batch_timeout_s: float
    retries: int

    def tries(self) -> Tries:
        """Begin the tries of a call."""
        return Tries(self.retries, self.timeout_s)

    def batch_tries(self) -> Tries:
        """Begin the tries of a batch."""
        return Tries(self.retries, self.batch_timeout_s)

    def request(self, call: Call, tries: Tries, content: Any) -> dict[str, Any]:
        """Make the arguments of httpx's `build_request`; no wait is longer than what is left."""
        left_s = tries.left_s()
        return {
            "method": call.method,
            "url": self.url + call.path,
            "params": call.query,
            "headers": [*_encoded(self.headers), *call.all_headers()],
            "content": content if call.body else None,
            "timeout": httpx.Timeout(left_s, connect=min(left_s, _CONNECT_WITHIN_S)),
        }

    def answer(self, response: httpx.Response, body: bytes = b"") -> Answer:
        """Make a value of a response."""
        return Answer(self.url, response.status_code, dict(response.headers), body)


def find_service(
    url: str, key: str, timeout_s: float, batch_timeout_s: float, retries: int
) -> Service:
    """Check what a client is made with; raises ValueError."""
    if min(timeout_s, batch_timeout_s) <= 0 or retries < 0:
        raise ValueError("Timeouts are above 0 s, and retries 0 or more.")
    return Service(_base_url(url), _standing_headers(key), timeout_s, batch_timeout_s, retries)


def connection_options(url: str) -> dict[str, Any]:
    """Make the options of httpx: connections are kept, and no proxy is asked for this machine."""
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEPT_S
    )
    return {"limits": limits, "trust_env": not _is_this_machine(urlsplit(url).hostname or "")}


@contextmanager
def failing_plainly(url: str) -> Iterator[None]:
    """Turn whatever httpx raises into the client's own errors."""
    try:
        yield
    except httpx.HTTPError as error:
        raise _plainly(error, url) from error


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "?" in url or "#" in url:
        raise ValueError(f"{url!r} is no address of a service: write http://HOST:PORT.")
    if parts.username is not None:
        raise ValueError("An address with a user's name in it is not taken: give `key` instead.")
    return url.rstrip("/")


def _standing_headers(key: str) -> dict[str, str]:
    headers = {"User-Agent": f"topfive-client/{__version__}", "Accept-Encoding": "identity"}
    if not key.strip():
        return headers
    if not key.strip().isprintable():
        raise ValueError("The API key has characters that cannot be in a header.")
    return headers | {"Authorization": f"Bearer {key.strip()}"}


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _plainly(error: httpx.HTTPError, url: str) -> ClientError:
    if isinstance(error, httpx.ConnectTimeout):
        return Unreachable(f"{url} did not accept a connection within {_CONNECT_WITHIN_S:g} s.")
    if isinstance(error, httpx.TimeoutException):
        return TimeExceeded(f"{url} did not answer in the time that was set.")
    if isinstance(error, httpx.ConnectError):
        return _no_connection(error, url)
    if isinstance(error, httpx.RemoteProtocolError) and not _is_cut_off(error):
        return NotTopfive(f"What answers at {url} does not speak HTTP as topfive does.")
    return Unreachable(
        f"The connection to {url} broke before the answer was whole. Is a topfive service there?"
    )


def _no_connection(error: httpx.ConnectError, url: str) -> Unreachable:
    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return Unreachable(
            f"There is no TLS with {url}: {error}. Is it http:// in place of https://?",
            may_pass=False,
        )
    names = [one for one in causes if isinstance(one, socket.gaierror)]
    if names:
        return Unreachable(
            f"There is no machine of that name: {url}.",
            may_pass=names[0].errno == socket.EAI_AGAIN,
        )
    return Unreachable(f"Nothing listens at {url}, or it cannot be reached: {error}.")


def _is_cut_off(error: httpx.RemoteProtocolError) -> bool:
    """Tell an answer that ends too soon from one that is not HTTP; httpx has one error for both."""
    return any(word in str(error) for word in ("disconnected", "closed connection"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
