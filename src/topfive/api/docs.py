"""The API's documentation: OpenAPI 3.1, two pages that show it, and the table of failures."""

from functools import cache
from importlib.resources import files

from flask import Response, jsonify, make_response, render_template, send_from_directory
from flask_openapi3 import OpenAPI
from werkzeug.exceptions import NotFound

from topfive.api.openapi import finish_document
from topfive.api.readable import as_page, render
from topfive.errors import FAILURES
from topfive.route_table import RouteTable

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSET_PACKAGES = {
    "swagger": ("flask_openapi3_swagger", "templates/swagger"),
    "redoc": ("flask_openapi3_redoc", "templates/redoc"),
}


def register_docs(app: OpenAPI, routes: RouteTable) -> None:
    """Serve the OpenAPI document and its pages; every asset comes from installed packages."""
    document = cache(lambda: finish_document(app.api_doc, routes))
    app.add_url_rule("/openapi.json", "openapi", lambda: jsonify(document()))
    app.add_url_rule("/docs", "docs", lambda: _page("swagger.html"))
    app.add_url_rule("/redoc", "redoc", lambda: _page("redoc.html"))
    app.add_url_rule("/docs/errors", "docs_errors", _failures)
    app.add_url_rule("/docs/assets/<package>/<path:filename>", "ui_asset", _asset)


def _failures() -> Response:
    return as_page(Response(), render("errors.html", failures=FAILURES))


def _page(template: str) -> Response:
    response = make_response(render_template(template))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _asset(package: str, filename: str) -> Response:
    if package not in _ASSET_PACKAGES:
        raise NotFound
    module, folder = _ASSET_PACKAGES[package]
    root = str(files(module).joinpath(folder))
    response = send_from_directory(root, filename, max_age=86400)
    # Handed over in one piece: a megabyte in small blocks would keep a thread busy for long.
    response.direct_passthrough = False
    response.make_sequence()
    return response
