"""GET /ping and POST /invocations: what Amazon SageMaker asks of a container.

Source: "Custom Inference Code with Hosting Services" in the Amazon SageMaker developer guide.
"""

from collections.abc import Iterable

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import RootModel

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import Pair
from topfive.api.health import answer_readiness
from topfive.api.instances import InstancesIn, PredictionsOut, answer_instances
from topfive.api.openapi import invocation_body, query_parameters
from topfive.api.predict import EXPLAINED_CODES, answer_prediction
from topfive.api.schemas import PredictFields, PredictionOut, ProbeOut
from topfive.api.upload import read_body

sagemaker_routes = APIBlueprint(
    "sagemaker", __name__, abp_tags=[Tag(name="platforms")], abp_responses=ANY_ROUTE
)

# InvokeEndpoint hands a caller's CustomAttributes on in this header, and no query.
ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
# What SageMaker's own image models take.
_PICTURE_TYPES = frozenset({"application/x-image"})


class InvocationOut(RootModel[PredictionOut | PredictionsOut]):
    """What was found in the one picture, or in each instance."""


@sagemaker_routes.get("/ping", operation_id="ping", responses={200: ProbeOut, 503: ProbeOut})
def ping() -> Response:
    """Tell SageMaker whether this worker may be sent pictures."""
    return answer_readiness()


@sagemaker_routes.post(
    "/invocations",
    operation_id="invocations",
    responses={200: InvocationOut, **problem_responses(*EXPLAINED_CODES)},
    openapi_extensions={
        "parameters": query_parameters(PredictFields),
        "requestBody": invocation_body(PredictFields, InstancesIn),
    },
)
def invocations() -> Response:
    """Classify one picture that is the body, or several as JSON with `instances`."""
    if request.mimetype == "application/json":
        return answer_instances(read_body(request))
    return answer_prediction(request, _PICTURE_TYPES, tuple(_read_attributes()))


def _read_attributes() -> Iterable[Pair]:
    """Read `top_k=3,model=NAME`; what else callers write there is for themselves."""
    for one in request.headers.get(ATTRIBUTES_HEADER, "").split(","):
        name, _, text = one.partition("=")
        if name.strip() in PredictFields.model_fields:
            yield name.strip(), text.strip()
