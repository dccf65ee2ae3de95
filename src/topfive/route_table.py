"""The one table of HTTP routes: what each asks of a caller, and what it asks of the service.

The upload scheduler, the quota, the API keys, the log, OpenAPI and the documents read it; a test
holds it equal to the routes that are answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import unquote

# What a body may hold beside the picture: a form's boundaries and part headers, or JSON.
BESIDE_PICTURE_BYTES = 64 * 1024
MAX_BATCH_BYTES = 256 * 1024 * 1024


class Work(Enum):
    """What a request asks for: a prediction, many of them, how the service is, or anything else."""

    PREDICTION = "prediction"
    BATCH = "batch"
    PROBE = "probe"
    OTHER = "other"


class Body(Enum):
    """What a body is made of, which says how long it may be."""

    PICTURE = "picture"
    # Base64 writes three bytes as four characters (RFC 4648, section 4).
    BASE64 = "base64"
    BATCH = "batch"


class ErrorShape(Enum):
    """How a failure is written: RFC 9457, or as one text, `{"error": TEXT}`."""

    PROBLEM = "problem"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address.

    `pictures` is what a call costs of the caller's quota before its body is read; where the body
    holds several, `counts_body` says that the others are counted then. `is_reserved` is an address
    that nothing answers yet. `is_private` is for operators: where no keys are set it is answered to
    the machine itself alone. `is_export` answers with more than is held in memory, as it is read.
    """

    method: str
    path: str
    scope: str | None = None
    work: Work = Work.OTHER
    pictures: int = 0
    counts_body: bool = False
    body: Body = Body.PICTURE
    error_shape: ErrorShape = ErrorShape.PROBLEM
    is_quiet: bool = False
    is_reserved: bool = False
    is_private: bool = False
    is_export: bool = False


class RouteTable:
    """Routes, found by method and path at the cost of a look into a dictionary or two.

    `vertex` are those that Vertex AI has named.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        max_upload_bytes: int,
        vertex: Iterable[Route] = (),
        max_batch_bytes: int = MAX_BATCH_BYTES,
    ) -> None:
        self.vertex = tuple(vertex)
        self.routes = (*routes, *self.vertex)
        self._max_upload_bytes = max_upload_bytes
        self._max_batch_bytes = max_batch_bytes
        self._by_path = {(one.method, one.path): one for one in self.routes}
        self._templates: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        for route in self.routes:
            if "{" in route.path:
                segments = route.path.split("/")
                self._templates.setdefault((route.method, len(segments)), []).append(
                    (segments, route)
                )
        self._most_segments = max((count for _, count in self._templates), default=0)

    @property
    def quiet_paths(self) -> frozenset[str]:
        """The addresses whose calls would drown the rest of the log."""
        return frozenset(one.path for one in self.routes if one.is_quiet)

    def named(self, method: str, path: str) -> Route | None:
        """Look up a route by its path as it is declared, as in `/sample/{number}`."""
        return self._by_path.get(("GET" if method == "HEAD" else method, path))

    def find(self, method: str, path: str) -> Route | None:
        """Find the route of a request, whose `path` may still hold percent signs."""
        path = unquote(path) if "%" in path else path
        return self.named(method, path) or self._find_template(method, path)

    def error_shape(self, path: str) -> ErrorShape:
        """Tell how failures at a path are written, where nothing is found at it too."""
        shapes = {one.error_shape for one in self.routes if one.path == path}
        if path.startswith("/v2/") or ErrorShape.MESSAGE in shapes:
            return ErrorShape.MESSAGE
        return ErrorShape.PROBLEM

    def body_bytes(self, route: Route | None) -> int:
        """Tell how long a body may be."""
        if route is not None and route.body is Body.BATCH:
            return self._max_batch_bytes
        is_base64 = route is not None and route.body is Body.BASE64
        most_bytes = self._max_upload_bytes
        return (-(-most_bytes * 4 // 3) if is_base64 else most_bytes) + BESIDE_PICTURE_BYTES

    @property
    def most_body_bytes(self) -> int:
        """How long a body may be of any route whose bodies are collected, as batches are not."""
        return max(self.body_bytes(one) for one in self.routes if one.work is not Work.BATCH)

    def _find_template(self, method: str, path: str) -> Route | None:
        if path.count("/") >= self._most_segments:
            return None
        segments = path.split("/")
        key = ("GET" if method == "HEAD" else method, len(segments))
        for declared, route in self._templates.get(key, ()):
            if all(map(_fits, declared, segments)):
                return route
        return None


def build_route_table(
    max_upload_bytes: int = 10 * 1024 * 1024,
    *,
    max_batch_bytes: int = MAX_BATCH_BYTES,
    has_metrics_port: bool = False,
    vertex_predict: str = "",
    vertex_health: str = "",
) -> RouteTable:
    """Make the table that holds for these settings.

    On a port of its own `/metrics` asks for no key. Vertex AI names its two addresses itself.
    """
    is_free = {"/metrics"} if has_metrics_port else set()
    routes = [replace(one, scope=None) if one.path in is_free else one for one in ROUTES]
    vertex = [replace(_VERTEX_PREDICT, path=vertex_predict)] if vertex_predict else []
    if vertex_health and not answers_health(vertex_health):
        vertex.append(replace(_VERTEX_HEALTH, path=vertex_health))
    return RouteTable(routes, max_upload_bytes, vertex, max_batch_bytes)


def answers_health(path: str) -> bool:
    """Tell whether topfive answers at an address, in its own way, how it is."""
    return any(one.path == path and one.work is Work.PROBE for one in ROUTES)


def is_taken(path: str) -> bool:
    """Tell whether topfive has something of its own at an address, or below it."""
    table = RouteTable(ROUTES, 0)
    return any(table.find(method, path) for method in ("GET", "POST")) or path.startswith(
        ("/static/", "/docs/", "/v2/")
    )


def _fits(declared: str, segment: str) -> bool:
    return declared == segment or (declared.startswith("{") and bool(segment))


def _page(path: str) -> Route:
    return Route("GET", path)


def _probe(path: str, error_shape: ErrorShape = ErrorShape.PROBLEM) -> Route:
    return Route("GET", path, work=Work.PROBE, error_shape=error_shape, is_quiet=True)


def _v2(path: str, work: Work = Work.OTHER) -> Route:
    is_probe = work is Work.PROBE
    return Route("GET", f"/v2{path}", work=work, error_shape=ErrorShape.MESSAGE, is_quiet=is_probe)


def _private(method: str, path: str) -> Route:
    return Route(method, path, scope="admin", is_private=True)


def _prediction(path: str, error_shape: ErrorShape, body: Body = Body.BASE64) -> Route:
    return Route(
        "POST",
        path,
        scope="predict",
        work=Work.PREDICTION,
        pictures=1,
        counts_body=body is not Body.PICTURE,
        body=body,
        error_shape=error_shape,
    )


_PROBLEM, _MESSAGE = ErrorShape.PROBLEM, ErrorShape.MESSAGE
_MODEL = "/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_NAME = "/models/{name}"
_NAMED = f"{_NAME}/versions/{{version}}"
_KEPT = "/predictions/{id}"
_VERTEX_PREDICT = _prediction("", _MESSAGE)
_VERTEX_HEALTH = _probe("", _MESSAGE)

ROUTES: tuple[Route, ...] = (
    _prediction("/predict", _PROBLEM, Body.PICTURE),
    replace(_prediction("/predict/batch", _PROBLEM, Body.BATCH), work=Work.BATCH),
    Route("GET", "/models", scope="predict"),
    Route("GET", _NAME, scope="predict"),
    Route("GET", _NAMED, scope="predict"),
    _private("POST", f"{_NAMED}/load"),
    _private("POST", f"{_NAMED}/activate"),
    _private("DELETE", _NAMED),
    _private("PUT", "/routes/{alias}"),
    _private("GET", "/predictions"),
    replace(_private("GET", "/predictions/export"), is_export=True),
    _private("GET", _KEPT),
    _private("GET", f"{_KEPT}/classes"),
    _private("DELETE", _KEPT),
    _private("PUT", f"{_KEPT}/label"),
    _private("DELETE", f"{_KEPT}/label"),
    _private("GET", f"{_NAME}/accuracy"),
    _private("GET", f"{_NAME}/drift"),
    _probe("/health"),
    _probe("/livez"),
    _probe("/readyz"),
    _probe("/ping"),
    _prediction("/invocations", _PROBLEM),
    _v2(""),
    _v2("/health/live", Work.PROBE),
    _v2("/health/ready", Work.PROBE),
    replace(_v2(_MODEL), scope="predict"),
    _v2(f"{_MODEL}/ready", Work.PROBE),
    replace(_v2(_VERSION), scope="predict"),
    _v2(f"{_VERSION}/ready", Work.PROBE),
    _prediction(f"/v2{_MODEL}/infer", _MESSAGE),
    _prediction(f"/v2{_VERSION}/infer", _MESSAGE),
    _page("/info"),
    Route("GET", "/metrics", scope="admin", is_quiet=True),
    _page("/sample"),
    _page("/sample/{number}"),
    _page("/"),
    _page("/review"),
    _page("/openapi.json"),
    _page("/docs"),
    _page("/redoc"),
    _page("/docs/errors"),
    _page("/docs/assets/{package}/{filename}"),
    _page("/static/{filename}"),
)

STANDARD_TABLE = build_route_table()
