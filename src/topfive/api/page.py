"""GET /: a page for a browser, JSON for everyone else; GET /sample: pictures to try it with."""

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from topfive import __version__
from topfive.api.auth import keys_are_asked
from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.readable import as_page, prefers_page, readable_model, render
from topfive.api.request import current_service, current_settings
from topfive.api.schemas import IndexOut
from topfive.bundles.samples import Sample, samples_of
from topfive.errors import NotFound
from topfive.images.sniff import FORMATS

page_routes = APIBlueprint("page", __name__, abp_tags=[Tag(name="info")], abp_responses=ANY_ROUTE)

_LINKS = {
    "predict": "/predict",
    "batch": "/predict/batch",
    "models": "/models",
    "health": "/health",
    "info": "/info",
    "docs": "/docs",
    "openapi": "/openapi.json",
}
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_SAMPLE: dict[str | int, Any] = {
    200: {
        "description": "A picture that is shipped for the served model.",
        "content": {"image/png": _PICTURE, "image/jpeg": _PICTURE},
    },
    **problem_responses("not_found"),
}
# All these answers change when another model begins to serve.
_ASK_AGAIN = {"Cache-Control": "no-cache"}


class SamplePath(BaseModel):
    """Which sample is asked for."""

    number: int = Field(description="Which one, from 1.")


@page_routes.get("/", operation_id="index", responses={200: IndexOut})
def index() -> Response:
    """Say what this is and where to go; a browser gets a page to drop pictures on."""
    response = _page() if prefers_page() else _links()
    response.headers["Vary"] = "Accept"
    return response


@page_routes.get("/sample", operation_id="sample", responses=_SAMPLE)
def sample() -> Response:
    """Give a picture to try the served model with, where there is one."""
    return _sample(1)


@page_routes.get("/sample/<int:number>", operation_id="numbered_sample", responses=_SAMPLE)
def numbered_sample(path: SamplePath) -> Response:
    """Give one of the pictures to try the served model with, by its number."""
    return _sample(path.number)


def _sample(number: int) -> Response:
    listed = _samples()
    if not listed:
        raise NotFound(
            "There is no sample picture for the model that serves. Send one of your own."
        )
    if not 1 <= number <= len(listed):
        raise NotFound(
            f"There are {len(listed)} sample pictures: /sample/1 to /sample/{len(listed)}."
        )
    chosen = listed[number - 1]
    return Response(chosen.file.read_bytes(), mimetype=chosen.media_type, headers=_ASK_AGAIN)


def _samples() -> tuple[Sample, ...]:
    serving = current_service().describe().state.serving
    return samples_of(serving.bundle) if serving else ()


def _links() -> Response:
    out = IndexOut(name="topfive", version=__version__, links=_LINKS)
    return Response(out.model_dump_json(), mimetype="application/json")


def _page() -> Response:
    service = current_service()
    described, health = service.describe(), service.health()
    serving = described.state.serving
    html = render(
        "index.html",
        health=health,
        model=readable_model(health.model),
        desired=readable_model(described.desired),
        bundle=serving.bundle if serving else None,
        samples=_samples(),
        keys_are_asked=keys_are_asked(),
        classes_are_logged=current_settings().log_classes,
        max_upload_mb=f"{current_settings().max_upload_bytes / 1024**2:g}",
        formats=list(FORMATS),
        predict_url=f"{request.url_root}predict",
    )
    return as_page(Response(headers=_ASK_AGAIN), html)
