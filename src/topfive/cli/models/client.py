"""A running service, as `topfive models` talks to it."""

import json
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import (
    HTTPErrorProcessor,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from topfive import __version__
from topfive.errors import OperatorError
from topfive.telemetry.console import printable

# For an answer, beside what an order was told to wait.
_ANSWER_WITHIN_S = 30
_GIVE_KEY = "Give one with the scope 'admin' as TOPFIVE_API_KEY, or with --key."


class _NoRedirect(HTTPErrorProcessor):
    """Hands every answer on as it is: a key is sent to no other address."""

    def http_response(self, request: Request, response: Any) -> Any:  # noqa: ARG002
        """Return the answer, of whatever status."""
        return response

    https_response = http_response


class ServiceClient:
    """Asks the service at `url`, with `key` where that is not empty."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url
        self._key = key.strip()
        self._opener = _open_directly(url)

    def get(self, *path: str, has: str) -> Any:
        """Ask for what is at an address, each part of its path one text; it has the key `has`.

        Like all calls it raises OperatorError where there is no answer, or one that refuses.
        """
        return self._send("GET", path, 0, None, has)

    def order(
        self, method: str, *path: str, wait_s: int, body: dict[str, Any] | None = None
    ) -> Any:
        """Give an order, and wait `wait_s` seconds until all workers have followed it."""
        return self._send(method, path, wait_s, body, "generation")

    def _send(
        self, method: str, path: tuple[str, ...], wait_s: int, body: dict[str, Any] | None, has: str
    ) -> Any:
        within_s = _ANSWER_WITHIN_S + wait_s
        query = f"?{urlencode({'wait_s': wait_s})}" if wait_s else ""
        target = "/".join(quote(part, safe=":") for part in path)
        asked = Request(  # noqa: S310 - the command has checked that it is http or https
            f"{self.url}/{target}{query}",
            None if body is None else json.dumps(body).encode(),
            self._headers(),
            method=method,
        )
        try:
            with self._opener.open(asked, timeout=within_s) as answer:
                status, data = answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise self._silence(error, within_s) from error
        return self._read(status, data, has)

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"topfive/{__version__}",
        }
        if self._key:
            # The library writes headers as latin-1; a key may be any text.
            key = self._key.encode("utf-8", "surrogateescape").decode("latin-1")
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def _read(self, status: int, data: bytes, has: str) -> Any:
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        is_good = status < 300
        needed = {has} if is_good else {"code", "detail"}
        if not isinstance(found, dict) or not needed <= found.keys():
            raise OperatorError(
                f"What answers at {self.url} is no topfive service, or something before it "
                f"(status {status}). Is --url right?"
            )
        if not is_good:
            raise self._refusal(str(found["code"]), str(found["detail"]))
        return found

    def _refusal(self, code: str, detail: str) -> OperatorError:
        if code == "unauthorized":
            which = (
                "does not know the API key that was given" if self._key else "asks for an API key"
            )
            return OperatorError(f"The service {which}. {_GIVE_KEY}")
        if code == "not_found":
            return OperatorError(f"The service at {self.url} has no models to order: it is older.")
        return OperatorError(f"{printable(detail)} ({printable(code)})")

    def _silence(self, error: Exception, within_s: int) -> OperatorError:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return OperatorError(
                f"{self.url} did not answer within {within_s} s. An order may have arrived all "
                "the same: `topfive models list` shows it."
            )
        if isinstance(reason, ConnectionRefusedError):
            return OperatorError(
                f"Nothing listens at {self.url}. Start the service with `topfive serve`, or name "
                "its address with --url."
            )
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return OperatorError(f"{self.url} cannot be reached: {why}. Is --url right?")


def _open_directly(url: str) -> OpenerDirector:
    """Make what opens addresses: it follows no redirect, and asks no proxy for this machine."""
    host = urlsplit(url).hostname or ""
    proxies = [ProxyHandler({})] if _is_this_machine(host) else []
    return build_opener(_NoRedirect, *proxies)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
