"""Requests that hold several pictures: each is classified as one alone would be."""

from collections.abc import Sequence

from flask import request

from topfive.api.auth import route_key
from topfive.api.caching import with_caching
from topfive.api.quota import charge_further
from topfive.api.request import client_has_gone, current_record, current_service
from topfive.api.schemas import PredictFields
from topfive.concurrency.limiter import Deadline
from topfive.errors import Failure
from topfive.predictions import Prediction

# They are classified one after the other, within the time of one request.
MOST_PICTURES = 8


def predict_pictures(
    pictures: Sequence[bytes], asked: PredictFields, name: str
) -> tuple[Prediction, ...]:
    """Classify pictures in their order, under one deadline, and note them for the log.

    The first that fails ends it: the failure says which one it is, as in `name[2]`.
    """
    charge_further(len(pictures) - 1)
    record = current_record()
    predictions: list[Prediction] = []
    deadline = record.deadline
    # Without a key of the caller's, those of one request still get the same version.
    key = route_key() or (record.request_id if len(pictures) > 1 else "")
    options = with_caching(asked.options(key), request)
    for number, picture in enumerate(pictures):
        try:
            predictions.append(
                current_service().predict(picture, deadline, options, client_has_gone)
            )
        except Failure as failure:
            raise _of_one(failure, f"{name}[{number}]") from failure
        # What was waited before the first one counts once.
        deadline = Deadline(deadline.at_s)
    record.predictions = tuple(predictions)
    return record.predictions


def _of_one(failure: Failure, which: str) -> Failure:
    return type(failure)(f"`{which}`: {failure.detail}", retry_after_s=failure.retry_after_s)
