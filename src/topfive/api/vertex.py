"""What Vertex AI asks of a container, at the two addresses that it names itself.

Source: "Custom container requirements for prediction" in Vertex AI's documentation. Vertex AI adds
`deployedModelId` and the like to the answer on its way.
"""

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.errors import ANY_ROUTE_MESSAGE, message_responses
from topfive.api.health import answer_readiness
from topfive.api.instances import InstancesIn, PredictionsOut, answer_instances
from topfive.api.openapi import instances_body
from topfive.api.predict import EXPLAINED_CODES
from topfive.api.schemas import ProbeOut
from topfive.api.upload import read_body
from topfive.route_table import RouteTable, Work


def make_vertex_routes(routes: RouteTable) -> APIBlueprint:
    """Make the routes that Vertex AI has named; none where it has named none."""
    blueprint = APIBlueprint(
        "vertex",
        __name__,
        abp_tags=[Tag(name="platforms")],
        abp_responses=ANY_ROUTE_MESSAGE,
    )
    for route in routes.vertex:
        if route.work is Work.PROBE:
            blueprint.get(
                route.path,
                operation_id="vertex_health",
                responses={200: ProbeOut, 503: ProbeOut},
            )(_health)
        else:
            blueprint.post(
                route.path,
                operation_id="vertex_predict",
                responses={200: PredictionsOut, **message_responses(*EXPLAINED_CODES)},
                openapi_extensions={"requestBody": instances_body(InstancesIn)},
            )(_predict)
    return blueprint


def _health() -> Response:
    """Tell Vertex AI whether this worker may be sent pictures."""
    return answer_readiness()


def _predict() -> Response:
    """Classify several pictures in one JSON body."""
    return answer_instances(read_body(request))
