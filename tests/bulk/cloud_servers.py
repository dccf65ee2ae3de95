"""As much of Google's and Azure's object stores as reading pictures needs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.store_servers import Answer, FaultyServer

_PAGE = 2
_GOOGLE = "/storage/v1/b/pics/o"
_AZURE = "/account/pics"


class _Store:
    """Objects of one bucket, listed two at a time."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def page(self, prefix: str, after: str) -> tuple[list[str], str]:
        """List some keys, and what to ask for the next with."""
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return keys[:_PAGE], keys[_PAGE - 1] if len(keys) > _PAGE else ""

    def content(self, key: str, wanted: str | None) -> Answer:
        """Answer with an object, or a range of it."""
        if key not in self.objects:
            return Answer(404, b"")
        content = self.objects[key]
        if not wanted:
            return Answer(200, content)
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        if int(start) >= len(content):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        piece = content[int(start) : int(end) + 1]
        last = int(start) + len(piece) - 1
        return Answer(206, piece, {"Content-Range": f"bytes {start}-{last}/{len(content)}"})


@contextmanager
def run_google(objects: dict[str, bytes]) -> Iterator[FaultyServer]:
    """Run Google's JSON API with the bucket `pics`, for STORAGE_EMULATOR_HOST."""
    store = _Store(objects)

    def source(handler: BaseHTTPRequestHandler, _body: bytes) -> Answer:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == _GOOGLE:
            keys, token = store.page(query.get("prefix", ""), query.get("pageToken", ""))
            found = {"items": [_describe(store, key) for key in keys], "nextPageToken": token}
            return Answer(200, json.dumps(found).encode())
        key = unquote(parts.path.removeprefix(f"{_GOOGLE}/"))
        if query.get("alt") == "media" or key not in store.objects:
            return store.content(key, handler.headers["Range"])
        return Answer(200, json.dumps(_describe(store, key)).encode())

    yield from _run(source)


def _describe(store: _Store, key: str) -> dict[str, str]:
    return {"name": key, "bucket": "pics", "size": str(len(store.objects[key])), "generation": "7"}


@contextmanager
def run_azure(objects: dict[str, bytes]) -> Iterator[FaultyServer]:
    """Run Azure's Blob service with the account `account` and the container `pics`."""
    store = _Store(objects)

    def source(handler: BaseHTTPRequestHandler, _body: bytes) -> Answer:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == _AZURE:
            keys, token = store.page(query.get("prefix", ""), query.get("marker", ""))
            blobs = "".join(
                f"<Blob><Name>{escape(key)}</Name><Properties><Etag>0x7</Etag><Content-Length>"
                f"{len(store.objects[key])}</Content-Length><BlobType>BlockBlob</BlobType></Properties>"
                "</Blob>"
                for key in keys
            )
            text = (
                '<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>'
                f"{blobs}</Blobs><NextMarker>{escape(token)}</NextMarker></EnumerationResults>"
            )
            return Answer(200, text.encode(), {"Content-Type": "application/xml"})
        key = unquote(parts.path.removeprefix(f"{_AZURE}/"))
        return _as_blob(store.content(key, handler.headers["x-ms-range"]))

    yield from _run(source)


def _as_blob(answer: Answer) -> Answer:
    headers = {
        "ETag": '"0x7"',
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-version": "2024-11-04",
    }
    codes = {404: "BlobNotFound", 416: "InvalidRange"}
    if answer.status in codes:
        headers["x-ms-error-code"] = codes[answer.status]
    return Answer(answer.status, answer.body, headers | answer.headers)


def _run(source: object) -> Iterator[FaultyServer]:
    server = FaultyServer(source)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()
