"""A store behind a web server, which lists its bundles in `index.json`; it is only read."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from topfive.errors import StoreUnreachable
from topfive.stores.address import StoreAddress
from topfive.stores.contract import (
    INDEX_FILE,
    OpenFile,
    StoredVersion,
    StoreLimits,
    versions_in,
)
from topfive.stores.failures import FailureWords


class _SafeRedirects(HTTPRedirectHandler):
    """Follows no redirect from TLS to plain HTTP, nor to anything that is not of the web."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Refuse by returning nothing: the redirect is then an error itself."""
        target = urlsplit(newurl).scheme
        if target != "https" and not (target == "http" and req.type == "http"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True, slots=True)
class _WebFile:
    words: FailureWords
    path: str
    answer: HTTPResponse
    size_bytes: int | None

    def read(self, most_bytes: int, /) -> bytes:
        with self.words.told(self.path):
            # One read of the socket at a time: a server that trickles is seen to do so.
            return self.answer.read1(most_bytes)


class WebFiles:
    """The files of a store behind a web server.

    A user and password in its address are sent as a login, its query with every request: both to
    that server alone.
    """

    def __init__(self, address: StoreAddress, limits: StoreLimits) -> None:
        self.shown = address.shown
        self.limits = limits
        self._words = FailureWords(self.shown, "Check the login in its address")
        self._parts = urlsplit(address.root)
        self._opener = build_opener(_SafeRedirects())

    def list_versions(self) -> list[StoredVersion]:
        """List what `index.json` says is there, sorted."""
        text = self.read_small(INDEX_FILE, self.limits.max_manifest_bytes)
        try:
            paths = json.loads(text[: self.limits.max_manifest_bytes])["bundles"]
            few = [str(one) for one in paths[: self.limits.max_versions]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreUnreachable(
                f"{self.shown}/{INDEX_FILE} does not list bundles, as in "
                '{"bundles": ["flowers/1.0.0"]}. `topfive models push` writes it.'
            ) from error
        return versions_in(few)

    def sizes(self, _version: StoredVersion, /) -> Mapping[str, int] | None:
        """Tell nothing: a web server tells the size of a file when it is asked for."""
        return None

    def read_small(self, path: str, most_bytes: int) -> bytes:
        """Read a small file whole; one byte more than `most_bytes` where it is longer."""
        parts = []
        wanted_bytes = most_bytes + 1
        with self.open(path) as file:
            while wanted_bytes and (piece := file.read(wanted_bytes)):
                parts.append(piece)
                wanted_bytes -= len(piece)
        return b"".join(parts)

    @contextmanager
    def open(self, path: str) -> Iterator[OpenFile]:
        """Ask for a file; waiting for the server ends after the limit for a standstill."""
        with self._words.told(path):
            answer = self._ask(path)
        with answer:
            # What the server says is only compared with what comes.
            yield _WebFile(self._words, path, answer, answer.length)

    def _ask(self, path: str) -> HTTPResponse:
        try:
            answer: HTTPResponse = self._opener.open(
                self._request(path), timeout=self.limits.stall_s
            )
        except HTTPError as error:
            # It holds the connection.
            error.close()
            raise
        return answer

    def _request(self, path: str) -> Request:
        parts = self._parts
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, host, f"{parts.path}/{path}", parts.query, ""))
        request = Request(url, headers={"User-Agent": "topfive"})  # noqa: S310 - http(s) alone
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            # Not to where a redirect leads.
            request.add_unredirected_header(
                "Authorization", f"Basic {b64encode(login.encode()).decode()}"
            )
        return request
