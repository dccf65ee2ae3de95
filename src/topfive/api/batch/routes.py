"""POST /predict/batch: many pictures in, a result for each out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from flask import Request, Response, request
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.auth import route_key
from topfive.api.batch.answers import JSON_TYPE, LINES_TYPE, BatchAnswer, UntilBroken
from topfive.api.batch.contents import BatchLimits
from topfive.api.batch.reading import Arrival, ArrivingBatch, open_batch
from topfive.api.batch.schemas import BatchOut
from topfive.api.caching import with_caching
from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.fields import read_fields
from topfive.api.openapi import (
    CACHE_CONTROL_PARAMETER,
    ROUTE_KEY_PARAMETER,
    batch_body,
    query_parameters,
)
from topfive.api.predict import PREDICTION_CODES
from topfive.api.quota import further_quota
from topfive.api.request import current_record, current_service, current_settings
from topfive.api.schemas import PredictFields
from topfive.concurrency.limiter import Deadline
from topfive.errors import RateLimited
from topfive.predictions import PredictionOptions
from topfive.service import is_never_abandoned

batch_routes = APIBlueprint(
    "batch", __name__, abp_tags=[Tag(name="predict")], abp_responses=ANY_ROUTE
)

_CODES = (*PREDICTION_CODES, "batch_too_large")
_CODE_SAMPLES = [
    {
        "lang": "Shell",
        "label": "curl, a form",
        "source": "curl -F files=@1.jpg -F files=@2.jpg http://127.0.0.1:5000/predict/batch",
    },
    {
        "lang": "Shell",
        "label": "curl, a line for each picture as soon as it is ready",
        "source": "curl -N -H 'Accept: application/x-ndjson' -F files=@1.jpg -F files=@2.jpg "
        "http://127.0.0.1:5000/predict/batch",
    },
]


@batch_routes.post(
    "/predict/batch",
    operation_id="predict_batch",
    responses={200: BatchOut, **problem_responses(*_CODES)},
    openapi_extensions={
        "parameters": [
            *query_parameters(PredictFields),
            ROUTE_KEY_PARAMETER,
            CACHE_CONTROL_PARAMETER,
        ],
        "requestBody": batch_body(PredictFields),
        "x-codeSamples": _CODE_SAMPLES,
    },
)
def predict_batch() -> Response:
    """Classify many pictures; one that cannot be classified fails alone."""
    arriving, options = _read_head(request)
    with ExitStack() as stack:
        batch = stack.enter_context(current_service().open_batch(options))
        pictures = UntilBroken(charge_each(arriving.pictures(), further_quota()))
        has_gone = request.environ.get("topfive.client_has_gone", is_never_abandoned)
        results = batch.predict(pictures, _deadline(), has_gone)
        access_log = current_service().access_log
        answer = BatchAnswer(batch, pictures, results, current_record(), access_log)
        if not _wants_lines(request):
            return answer.whole()
        response = answer.lines()
        response.call_on_close(stack.pop_all().close)
        return response


def _read_head(incoming: Request) -> tuple[ArrivingBatch, PredictionOptions]:
    """Read what is asked of all pictures; a wrong query is told before the body is read."""
    given = tuple(incoming.args.items(multi=True))
    asked = read_fields(PredictFields, given)
    arriving = open_batch(incoming, _limits())
    fields = arriving.read_fields()
    if fields:
        asked = read_fields(PredictFields, (*given, *fields))
    # Without a key of the caller's, those of one request still get the same version.
    options = asked.options(route_key() or current_record().request_id)
    return arriving, with_caching(options, incoming)


def charge_each(pictures: Iterator[Arrival], has_quota: Callable[[int], bool]) -> Iterator[Arrival]:
    """Count each picture beside the first, which was counted before; none where no quota is left.

    Raises what `pictures` raises.
    """
    is_counted = True
    for one in pictures:
        if one is None or is_counted or has_quota(1):
            yield one
        else:
            yield RateLimited(
                "The quota of this client is used up. Wait as long as RateLimit-Reset says."
            )
        is_counted = is_counted and one is None


def _limits() -> BatchLimits:
    settings = current_settings()
    return BatchLimits(
        settings.batch_max_pictures, settings.batch_max_bytes, settings.max_upload_bytes
    )


def _deadline() -> Deadline:
    return Deadline(current_record().started_s + current_settings().batch_timeout_s)


def _wants_lines(incoming: Request) -> bool:
    """Tell whether the client prefers lines; who takes anything gets JSON."""
    return incoming.accept_mimetypes.best_match((JSON_TYPE, LINES_TYPE)) == LINES_TYPE
