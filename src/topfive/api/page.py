"""GET /: a page for a browser, JSON for everyone else."""

from flask import Response, make_response, render_template, request
from flask_openapi3 import APIBlueprint, Tag

from topfive import __version__
from topfive.api.errors import ANY_ROUTE
from topfive.api.request import current_settings
from topfive.api.schemas import IndexOut
from topfive.images.sniff import FORMATS

page_routes = APIBlueprint("page", __name__, abp_tags=[Tag(name="info")], abp_responses=ANY_ROUTE)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LINKS = {
    "predict": "/predict",
    "health": "/health",
    "info": "/info",
    "docs": "/docs",
    "openapi": "/openapi.json",
}


@page_routes.get("/", responses={200: IndexOut})
def index() -> Response:
    """Say what this is and where to go; a browser gets a page to drop a picture on."""
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"])
    response = _page() if wants_page == "text/html" else _links()
    response.headers["Vary"] = "Accept"
    return response


def _links() -> Response:
    out = IndexOut(name="topfive", version=__version__, links=_LINKS)
    return Response(out.model_dump_json(), mimetype="application/json")


def _page() -> Response:
    megabytes = current_settings().max_upload_bytes / 1024**2
    html = render_template(
        "index.html",
        name="topfive",
        version=__version__,
        max_upload_mb=f"{megabytes:g}",
        formats=list(FORMATS),
    )
    response = make_response(html)
    response.headers["Content-Security-Policy"] = _POLICY
    return response
