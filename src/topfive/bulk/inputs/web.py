"""Pictures behind web servers, read over HTTP."""

from http import HTTPStatus
from time import monotonic
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, ProtocolError, ReadTimeoutError

from topfive.bulk.inputs.unreadable import Unreadable

_CONNECT_S = 5.0
_STALL_S = 20.0
# The longest that one picture may come for, however slowly.
_PICTURE_S = 60.0
_MOST_REDIRECTS = 5
_ATTEMPTS = 3
_PIECE_BYTES = 64 * 1024
_HEADERS = {"User-Agent": "topfive"}
_REDIRECTS = {301, 302, 303, 307, 308}
_RETRIES = urllib3.Retry(
    total=3,
    redirect=False,
    status_forcelist=(408, 425, 429, 500, 502, 503, 504),
    backoff_factor=0.5,
    retry_after_max=30,
    raise_on_status=False,
)
# By a word in the name of what the library raises.
_WORDS = (
    ("Timeout", "it did not answer in time"),
    ("NameResolution", "its name is not known"),
    ("SSLError", "its certificate or TLS was refused"),
    ("NewConnection", "nothing answers there"),
    ("ProxyError", "the proxy does not answer"),
    ("Protocol", "the connection broke off"),
    ("IncompleteRead", "the connection broke off"),
    ("Location", "it is no address of a web server"),
)


class WebPictures:
    """Reads pictures by their addresses, and keeps connections; several threads may use it.

    A login in an address is sent to its own server alone, and no redirect is followed from TLS to
    plain HTTP.
    """

    def __init__(self, stall_s: float = _STALL_S, picture_s: float = _PICTURE_S) -> None:
        self._picture_s = picture_s
        self._pool = urllib3.PoolManager(
            num_pools=32,
            maxsize=8,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=stall_s),
            retries=_RETRIES,
        )

    def read(self, name: bytes, most_bytes: int) -> bytes:
        """Read a picture's first bytes; raises Unreadable, which names no part of the address."""
        try:
            url = name.decode()
        except UnicodeDecodeError as error:
            raise Unreadable("The address is no UTF-8.") from error
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._follow(url, most_bytes)
            except (ProtocolError, ReadTimeoutError) as error:
                # It broke off within the picture: what comes before that is tried again below.
                if attempt == _ATTEMPTS:
                    raise Unreadable(f"It cannot be read: {_reason(error)}.") from error
            except (HTTPError, LocationValueError, ValueError) as error:
                raise Unreadable(f"It cannot be read: {_reason(error)}.") from error
        raise AssertionError

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.clear()

    def _follow(self, url: str, most_bytes: int) -> bytes:
        headers = _headers_for(url)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._pool.request(
                "GET", _without_login(url), headers=headers, redirect=False, preload_content=False
            )
            with answer:
                target = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or not target:
                    return self._take(answer, most_bytes)
            url, headers = _redirected(url, target), _HEADERS
        raise Unreadable(f"The server redirects more than {_MOST_REDIRECTS} times.")

    def _take(self, answer: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
        _refuse_status(answer.status)
        end_s = monotonic() + self._picture_s
        content = bytearray()
        while len(content) < most_bytes and (piece := answer.read1(_PIECE_BYTES)):
            content += piece
            if monotonic() > end_s:
                raise Unreadable(f"It did not come within {self._picture_s:g} s.")
        if len(content) >= most_bytes:
            # The rest is not read, so the connection serves no other picture.
            answer.close()
        return bytes(content[:most_bytes])


def _refuse_status(status: int) -> None:
    if status == HTTPStatus.OK:
        return
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Unreadable(f"The server refuses access ({status}).")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise Unreadable(f"There is nothing at this address ({status}).")
    raise Unreadable(f"The server answers {status}.")


def _redirected(url: str, target: str) -> str:
    found = urljoin(_without_login(url), target)
    scheme = urlsplit(found).scheme
    if scheme != "https" and not (scheme == "http" and urlsplit(url).scheme == "http"):
        raise Unreadable("The server redirects to where nothing is read from.")
    return found


def _headers_for(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return _HEADERS
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return _HEADERS | dict(urllib3.make_headers(basic_auth=login))


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, Exception):
        return _reason(inner)
    name = type(error).__name__
    return next((told for word, told in _WORDS if word in name), "its address or answer is broken")
