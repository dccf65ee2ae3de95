"""GET /review: a page on which people label predictions; and the classes that a label may be."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from topfive.api.auth import keys_are_asked
from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.history.routes import ASKED, kept_history, read_id
from topfive.api.history.schemas import PredictionPath
from topfive.api.history.turns import history_turns
from topfive.api.readable import as_page, render
from topfive.api.request import current_service, current_settings
from topfive.api.schemas import Shape

review_routes = APIBlueprint(
    "review", __name__, abp_tags=[Tag(name="history")], abp_responses=ANY_ROUTE
)


class ClassesOut(Shape):
    """The classes that a prediction's label may be."""

    classes: list[str] = Field(description="Their names, in the order of their ids, from 0.")


@review_routes.get("/review", doc_ui=False)
def review() -> Response:
    """Give the page on which people label predictions; what it shows asks for a key."""
    kept_history()
    html = render(
        "review.html",
        health=current_service().health(),
        keys_are_asked=keys_are_asked(),
        max_upload_mb=f"{current_settings().max_upload_bytes / 1024**2:g}",
    )
    return as_page(Response(headers={"Cache-Control": "no-cache"}), html)


@review_routes.get(
    "/predictions/<prediction:id>/classes",
    operation_id="list_classes",
    responses={200: ClassesOut, **problem_responses(*ASKED)},
)
def list_classes(path: PredictionPath) -> Response:
    """Tell the classes of the version that made a prediction, which its label may be."""
    history, prediction_id = kept_history(), read_id(path)
    with history_turns().take():
        kept = history.find(prediction_id)
    out = ClassesOut(classes=list(kept.record.model.classes))
    headers = {"Cache-Control": "no-store"}
    return Response(out.model_dump_json(), mimetype="application/json", headers=headers)
