"""GET /health, /livez, /readyz: cheap answers for people, load balancers and orchestrators."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.errors import ANY_ROUTE
from topfive.api.readable import health_page, in_either_form
from topfive.api.request import current_service
from topfive.api.schemas import HealthOut, ProbeOut

health_routes = APIBlueprint(
    "health", __name__, abp_tags=[Tag(name="health")], abp_responses=ANY_ROUTE
)


@health_routes.get("/health", operation_id="health", responses={200: HealthOut, 503: HealthOut})
def health() -> Response:
    """Tell whether the service can classify: 200 healthy or degraded, 503 unavailable."""
    service = current_service()
    found = service.health()
    out = HealthOut(
        status=found.status,  # type: ignore[arg-type] # one of the three words
        model_loaded=found.is_loaded,
        model=found.model,
        model_version=found.model_version,
        uptime_seconds=round(found.uptime_s, 1),
        timestamp=found.at,
        reason=found.reason,
    )
    # model_version stays, as null, where nothing is loaded; reason only appears with a reason.
    body = out.model_dump_json(exclude={"reason"} if found.reason is None else None)
    answer = _fresh(body, 200 if found.is_loaded else 503)
    return in_either_form(answer, lambda: health_page(out, service.describe().desired))


@health_routes.get("/livez", operation_id="livez", responses={200: ProbeOut})
def livez() -> Response:
    """Tell that this worker answers."""
    return _fresh(ProbeOut(status="alive").model_dump_json(), 200)


@health_routes.get("/readyz", operation_id="readyz", responses={200: ProbeOut, 503: ProbeOut})
def readyz() -> Response:
    """Tell whether this worker may be sent pictures: it has a model and is not about to stop."""
    return answer_readiness()


def answer_readiness() -> Response:
    """Answer 200 `ready` or 503 `not_ready`, as this worker is now."""
    if current_service().is_ready():
        return _fresh(ProbeOut(status="ready").model_dump_json(), 200)
    return _fresh(ProbeOut(status="not_ready").model_dump_json(), 503)


def _fresh(body: str, status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(body, status, mimetype="application/json", headers=headers)
