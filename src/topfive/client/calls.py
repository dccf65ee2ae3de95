"""What is asked of the service: one HTTP request as a value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

from topfive.client.pictures import ReadPicture

_JSON, _NDJSON = "application/json", "application/x-ndjson"
# Small enough that the deadline is looked at while a slow line takes a large picture.
_PIECE_BYTES = 256 * 1024
# The service keeps 4 MiB of results for a client that does not read; half of that is safe.
_MOST_UNREAD_BYTES = 2 * 1024 * 1024
_RESULT_BYTES, _CLASS_BYTES = 300, 100
# 64 x 64 gray pixels that cannot be compressed, as PNG in base64: the service draws no larger ones.
MOST_HEATMAP_BYTES = 6_000


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What may be asked of a prediction; what is None is the service's choice.

    `route_key` is any text: where a route shares requests among versions, the same text gets the
    same version.
    """

    top_k: int | None = None
    model: str | None = None
    version: str | None = None
    heatmap: bool = False
    route_key: str = ""

    def query(self) -> dict[str, str]:
        """Make the fields of the query."""
        wanted = {
            "top_k": None if self.top_k is None else str(self.top_k),
            "model": self.model,
            "version": self.version,
            "explain": "heatmap" if self.heatmap else None,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def most_pictures(self) -> int:
        """Tell how many pictures a batch may have, so that the service can keep their results.

        httpx reads nothing while it sends.
        """
        a_result = MOST_HEATMAP_BYTES if self.heatmap else 0
        a_result += _RESULT_BYTES + (self.top_k or 5) * _CLASS_BYTES
        return max(1, _MOST_UNREAD_BYTES // a_result)

    def headers(self) -> dict[str, str]:
        """Make the headers."""
        return {"X-Route-Key": self.route_key} if self.route_key else {}


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `body` is in pieces, which can be sent as often as is needed."""

    method: str
    path: str
    accept: str = _JSON
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Sequence[bytes] = ()

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Make the headers, the body's length among them; any text is sent as UTF-8."""
        length = {"Content-Length": str(sum(map(len, self.body)))} if self.body else {}
        headers = {"Accept": self.accept, **self.headers, **length}
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    def pieces(self) -> Iterator[bytes]:
        """Give the body in pieces of a quarter of a megabyte at most."""
        for part in self.body:
            for start in range(0, len(part), _PIECE_BYTES):
                yield part[start : start + _PIECE_BYTES]


HEALTH = Call("GET", "/health")
MODELS = Call("GET", "/models")
INFO = Call("GET", "/info")


def predict_call(picture: bytes, options: PredictOptions) -> Call:
    """Ask for the classes of one picture."""
    headers = {"Content-Type": "application/octet-stream", **options.headers()}
    return Call("POST", "/predict", _JSON, options.query(), headers, (picture,))


def batch_call(pictures: Sequence[ReadPicture], options: PredictOptions) -> Call:
    """Ask for the classes of several pictures, each result as soon as it is there."""
    boundary = f"topfive-{token_hex(16)}"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", **options.headers()}
    body: list[bytes] = []
    for one in pictures:
        body += [_part_head(boundary), one.data, b"\r\n"]
    body.append(f"--{boundary}--\r\n".encode())
    return Call("POST", "/predict/batch", _NDJSON, options.query(), headers, body)


def _part_head(boundary: str) -> bytes:
    # The file's name stays here: the service has no use for it.
    return (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="files"; filename="picture"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
