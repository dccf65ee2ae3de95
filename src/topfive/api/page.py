"""GET /: a page for a browser, JSON for everyone else; GET /sample: a picture to try it with."""

from pathlib import Path
from typing import Any

from flask import Response, make_response, render_template, request
from flask_openapi3 import APIBlueprint, Tag

from topfive import __version__
from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.request import current_service, current_settings
from topfive.api.schemas import IndexOut
from topfive.errors import NotFound
from topfive.images.sniff import FORMATS

page_routes = APIBlueprint("page", __name__, abp_tags=[Tag(name="info")], abp_responses=ANY_ROUTE)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LINKS = {
    "predict": "/predict",
    "health": "/health",
    "info": "/info",
    "docs": "/docs",
    "openapi": "/openapi.json",
}
_SAMPLE: dict[str | int, Any] = {
    200: {
        "description": "A picture that is shipped with the model.",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    },
    **problem_responses("not_found"),
}
# Both answers change when another model begins to serve.
_ASK_AGAIN = {"Cache-Control": "no-cache"}


@page_routes.get("/", operation_id="index", responses={200: IndexOut})
def index() -> Response:
    """Say what this is and where to go; a browser gets a page to drop a picture on."""
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"])
    response = _page() if wants_page == "text/html" else _links()
    response.headers["Vary"] = "Accept"
    return response


@page_routes.get("/sample", operation_id="sample", responses=_SAMPLE)
def sample() -> Response:
    """Give a picture to try the served model with, where its bundle ships one."""
    file = _sample_file()
    if file is None:
        raise NotFound("The model that serves has no sample picture. Send one of your own.")
    return Response(file.read_bytes(), mimetype="image/png", headers=_ASK_AGAIN)


def _links() -> Response:
    out = IndexOut(name="topfive", version=__version__, links=_LINKS)
    return Response(out.model_dump_json(), mimetype="application/json")


def _page() -> Response:
    megabytes = current_settings().max_upload_bytes / 1024**2
    html = render_template(
        "index.html",
        name="topfive",
        version=__version__,
        health=current_service().health(),
        has_sample=_sample_file() is not None,
        max_upload_mb=f"{megabytes:g}",
        formats=list(FORMATS),
    )
    response = make_response(html)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers.update(_ASK_AGAIN)
    return response


def _sample_file() -> Path | None:
    """Find the first `sample*.png` that the serving bundle's manifest vouches for."""
    serving = current_service().describe().state.serving
    if serving is None:
        return None
    bundle = serving.bundle
    listed = sorted(name for name in bundle.manifest.files if name.startswith("sample"))
    return next((bundle.folder / name for name in listed if name.endswith(".png")), None)
