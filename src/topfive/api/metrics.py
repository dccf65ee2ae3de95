"""GET /metrics: what Prometheus asks for, on the main port or on one of its own."""

from flask import Flask, Response, request
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.request import current_service
from topfive.errors import NotFound
from topfive.route_table import answers_health

metrics_routes = APIBlueprint(
    "metrics", __name__, abp_tags=[Tag(name="health")], abp_responses=ANY_ROUTE
)

_NOT_HERE = "There is nothing at this address. See / for the addresses there are."
_TEXT = {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}


@metrics_routes.get(
    "/metrics",
    operation_id="metrics",
    responses={200: _TEXT, **problem_responses("unauthorized", "forbidden", "not_found")},
)
def metrics() -> Response:
    """Tell Prometheus how all workers of this machine are doing."""
    text, content_type = current_service().render_metrics(request.headers.get("Accept", ""))
    return Response(text, content_type=content_type)


def keep_metrics_apart(app: Flask, metrics_port: int | None) -> None:
    """Where metrics have a port of their own, answer them there alone, and little else there."""
    if metrics_port:
        app.before_request(lambda: _check_port(str(metrics_port)))


def _check_port(metrics_port: str) -> None:
    is_metrics_port = request.environ.get("SERVER_PORT") == metrics_port
    is_metrics = request.path == "/metrics"
    if is_metrics != is_metrics_port and (is_metrics or not answers_health(request.path)):
        raise NotFound(_NOT_HERE)
