"""What the OpenAPI document says beyond the shapes: parameters, bodies, headers and examples."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from topfive.api.auth import ROUTE_KEY_HEADER
from topfive.api.examples import ANSWERS, LINES
from topfive.api.fields import declared_fields
from topfive.images.sniff import FORMATS
from topfive.route_table import Route, RouteTable, Work

Spec = dict[str, Any]

_BINARY: Spec = {"schema": {"type": "string", "format": "binary"}}
_LINES: Spec = {"type": "string", "description": "A line for each of `results`, as JSON."}
_PICTURE: Spec = {"type": "string", "format": "binary", "description": "The picture."}
# Where keys are set, either header carries one; where none are, neither is asked for.
SECURITY_SCHEMES: Spec = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
}
_SECURITY: list[Spec] = [{}, *({name: []} for name in SECURITY_SCHEMES)]
CODE_SAMPLES = [
    {
        "lang": "Shell",
        "label": "curl, a form",
        "source": "curl -F file=@photo.jpg 'http://127.0.0.1:5000/predict?top_k=3'",
    },
    {
        "lang": "Shell",
        "label": "curl, the bytes alone",
        "source": "curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg "
        "http://127.0.0.1:5000/predict",
    },
]

_B64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_INSTANCES = {"instances": [{"b64": _B64}], "parameters": {"top_k": 3}}
_TWO_PICTURES = {"two pictures": {"value": {"top_k": 3, "images": [_B64, _B64]}}}
_INFERENCE = {
    "id": "order-42",
    "parameters": {"top_k": 3},
    "inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [_B64]}],
    "outputs": [{"name": "class_name"}, {"name": "confidence"}],
}
ROUTE_KEY_PARAMETER: Spec = {
    "name": ROUTE_KEY_HEADER,
    "in": "header",
    "description": "Any text, such as a user's number: where a route shares requests among "
    "versions, those with the same text get the same one. Without it, those with the same API key.",
    "schema": {"type": "string"},
}
CACHE_CONTROL_PARAMETER: Spec = {
    "name": "Cache-Control",
    "in": "header",
    "description": "`no-store`: the answer is neither looked for in the cache nor kept there; "
    "`no-cache`: it is found anew, and kept. Without a cache, nothing.",
    "schema": {"type": "string"},
}
_REQUEST_ID = "The request's id, as in the body and the log."
_QUOTA = {
    "RateLimit-Limit": "How many calls a client has in all.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until they are new.",
}
_RETRY = {"Retry-After": "Seconds to wait, where waiting helps."}
# Of operations that classify.
_HEADERS: dict[str, dict[str, str]] = {
    "200": {
        "Server-Timing": "The same times as `timing_ms`; of several pictures, their sums.",
        "Cache-Status": "What the cache did (RFC 9211), where there is one: `topfive; hit`, "
        "`topfive; fwd=uri-miss; stored`, or `; collapsed` where another's work was waited for.",
        "X-Topfive-Degraded": "`true` while the fallback model stands in, else not there.",
        **_QUOTA,
    },
    "401": {"WWW-Authenticate": "`Bearer`."},
    "429": {**_QUOTA, **_RETRY},
    "503": _RETRY,
}
_BATCH_HEADERS = _HEADERS | {
    "200": {"X-Topfive-Model": "What classified the pictures, as `NAME@VERSION`."} | _HEADERS["200"]
}


def query_parameters(shape: type[BaseModel]) -> list[Spec]:
    """Describe the fields of `shape` as parameters of a query."""
    return [
        {"name": name, "in": "query", "description": one["description"], "schema": one}
        for name, one in declared_fields(shape).items()
    ]


def picture_body(shape: type[BaseModel]) -> Spec:
    """Describe a body that holds one picture: alone, or in a form beside the fields of `shape`."""
    pictures = {
        "file": _PICTURE,
        "image": _PICTURE | {"description": "Another name for `file`."},
    }
    either = [{"title": name, "required": [name]} for name in pictures]
    form = _object(pictures | declared_fields(shape), oneOf=either)
    return {
        "required": True,
        "description": f"One picture, one of {', '.join(FORMATS)}; the first frame counts.",
        "content": {
            "multipart/form-data": {"schema": form},
            "application/octet-stream": _BINARY,
            "image/*": _BINARY,
        },
    }


def batch_body(shape: type[BaseModel]) -> Spec:
    """Describe a body of many pictures: a form, or JSON, each with the fields of `shape` first."""
    fields = declared_fields(shape)
    pictures = {"type": "array", "items": _PICTURE, "minItems": 1}
    other_name = pictures | {"description": "Another name for `files`."}
    form = _object(fields | {"files": pictures, "file": other_name})
    text = {"type": "string", "contentEncoding": "base64"}
    images = {"type": "array", "minItems": 1, "items": text}
    members = _object(fields | {"images": images}, required=["images"])
    return {
        "required": True,
        "description": f"Pictures, each one of {', '.join(FORMATS)}. Fields come before them.",
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {"schema": members, "examples": _TWO_PICTURES},
        },
    }


def instances_body(shape: type[BaseModel]) -> Spec:
    """Describe a JSON body that holds several pictures in base64, of `shape`."""
    schema = {"schema": _inlined(shape), "examples": {"one picture": {"value": _INSTANCES}}}
    return {"required": True, "content": {"application/json": schema}}


def json_body(shape: type[BaseModel]) -> Spec:
    """Describe a body that is JSON of `shape`."""
    return {"required": True, "content": {"application/json": {"schema": _inlined(shape)}}}


def invocation_body(picture: type[BaseModel], instances: type[BaseModel]) -> Spec:
    """Describe a body that `picture_body` or `instances_body` describes."""
    body, several = picture_body(picture), instances_body(instances)
    return body | {"content": body["content"] | several["content"]}


def inference_body(shape: type[BaseModel]) -> Spec:
    """Describe a request for inference: JSON, or JSON with tensors behind it as bytes."""
    schema = {"schema": _inlined(shape), "examples": {"one picture": {"value": _INFERENCE}}}
    content = {"application/json": schema, "application/octet-stream": _BINARY}
    return {"required": True, "content": content}


def _object(properties: Spec, **more: Any) -> Spec:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _inlined(shape: type[BaseModel]) -> Any:
    """Make the JSON schema of a shape that stands in one piece, with no references in it."""
    schema = shape.model_json_schema()
    parts = schema.pop("$defs", {})

    def inline(one: Any) -> Any:
        if isinstance(one, list):
            return [inline(each) for each in one]
        if not isinstance(one, dict):
            return one
        if "$ref" in one:
            return inline(parts[one["$ref"].rpartition("/")[2]])
        return {key: inline(each) for key, each in one.items() if key != "title"}

    return inline(schema)


def finish_document(document: Spec, routes: RouteTable) -> Spec:
    """Add keys, headers and examples to a document that was made from routes; take titles away.

    Which operations ask for a key is what `routes` says of a scope. pydantic's titles repeat the
    names of fields in other letters. Changes `document` itself.
    """
    for method, path, operation in _operations(document):
        route = routes.named(method, path)
        if route is not None and route.scope:
            operation["security"] = _SECURITY
        headers = _headers_of(route)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        for status, response in operation["responses"].items():
            _finish_response(response, (operation["operationId"], status), headers.get(status, {}))
    for schema in document["components"]["schemas"].values():
        # A shape that is one of several has none.
        for name, one in schema.get("properties", {}).items():
            schema["properties"][name] = _bare(one)
    return document


def _headers_of(route: Route | None) -> dict[str, dict[str, str]]:
    """Tell the headers of an operation's answers, by their status."""
    if route is None or not route.pictures:
        return {}
    return _BATCH_HEADERS if route.work is Work.BATCH else _HEADERS


def _finish_response(response: Spec, where: tuple[str, str], headers: dict[str, str]) -> None:
    told = {"X-Request-ID": _REQUEST_ID} | headers
    response["headers"] = {name: _header(text) for name, text in told.items()}
    if where in ANSWERS:
        examples = {name: {"value": value} for name, value in ANSWERS[where].items()}
        for content in response["content"].values():
            content["examples"] = examples
    if where in LINES:
        examples = {name: {"value": value} for name, value in LINES[where].items()}
        response["content"]["application/x-ndjson"] = {"schema": _LINES, "examples": examples}


def _operations(document: Spec) -> Iterator[tuple[str, str, Spec]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _header(text: str) -> Spec:
    return {"description": text, "schema": {"type": "string"}}


def _bare(schema: Spec) -> Spec:
    """Leave out the title, and the default of what is never null but left away."""
    return {
        key: value
        for key, value in schema.items()
        if (key, value) != ("default", None) and key != "title"
    }
