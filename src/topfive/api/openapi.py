"""What the OpenAPI document says beyond the shapes: parameters, bodies, headers and examples."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from topfive.api.examples import ANSWERS
from topfive.api.fields import declared_fields
from topfive.images.sniff import FORMATS
from topfive.route_table import RouteTable

Spec = dict[str, Any]

_BINARY: Spec = {"schema": {"type": "string", "format": "binary"}}
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

_REQUEST_ID = "The request's id, as in the body and the log."
_QUOTA = {
    "RateLimit-Limit": "How many calls a client has in all.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until they are new.",
}
_RETRY = {"Retry-After": "Seconds to wait, where waiting helps."}
_HEADERS: dict[tuple[str, str], dict[str, str]] = {
    ("predict", "200"): {
        "Server-Timing": "The same times as `timing_ms`.",
        "X-Topfive-Degraded": "`true` while the fallback model stands in, else not there.",
        **_QUOTA,
    },
    ("predict", "401"): {"WWW-Authenticate": "`Bearer`."},
    ("predict", "429"): {**_QUOTA, **_RETRY},
    ("predict", "503"): _RETRY,
}


def query_parameters(shape: type[BaseModel]) -> list[Spec]:
    """Describe the fields of `shape` as parameters of a query."""
    return [
        {"name": name, "in": "query", "description": one["description"], "schema": one}
        for name, one in declared_fields(shape).items()
    ]


def picture_body(shape: type[BaseModel]) -> Spec:
    """Describe a body that holds one picture: alone, or in a form beside the fields of `shape`."""
    form = {
        "type": "object",
        "properties": {
            "file": _PICTURE,
            "image": _PICTURE | {"description": "Another name for `file`."},
            **declared_fields(shape),
        },
        "oneOf": [{"title": name, "required": [name]} for name in ("file", "image")],
        "additionalProperties": False,
    }
    return {
        "required": True,
        "description": f"One picture, one of {', '.join(FORMATS)}; the first frame counts.",
        "content": {
            "multipart/form-data": {"schema": form},
            "application/octet-stream": _BINARY,
            "image/*": _BINARY,
        },
    }


def finish_document(document: Spec, routes: RouteTable) -> Spec:
    """Add keys, headers and examples to a document that was made from routes; take titles away.

    Which operations ask for a key is what `routes` says of a scope. pydantic's titles repeat the
    names of fields in other letters. Changes `document` itself.
    """
    for method, path, operation in _operations(document):
        route = routes.named(method, path)
        if route is not None and route.scope:
            operation["security"] = _SECURITY
        operation["responses"] = dict(sorted(operation["responses"].items()))
        for status, response in operation["responses"].items():
            _finish_response(response, (operation["operationId"], status))
    for schema in document["components"]["schemas"].values():
        schema["properties"] = {name: _bare(one) for name, one in schema["properties"].items()}
    return document


def _finish_response(response: Spec, where: tuple[str, str]) -> None:
    told = {"X-Request-ID": _REQUEST_ID} | _HEADERS.get(where, {})
    response["headers"] = {name: _header(text) for name, text in told.items()}
    if where in ANSWERS:
        examples = {name: {"value": value} for name, value in ANSWERS[where].items()}
        for content in response["content"].values():
            content["examples"] = examples


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
