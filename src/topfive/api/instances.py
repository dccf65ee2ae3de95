"""JSON with `instances`, as Vertex AI and SageMaker's clients send it, and its `predictions`."""

from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from topfive.api.fields import read_members
from topfive.api.json_body import decode_base64, read_json
from topfive.api.request import current_record
from topfive.api.schemas import (
    PredictFields,
    PredictionOut,
    Shape,
    prediction_headers,
    prediction_out,
)
from topfive.api.several import MOST_PICTURES, predict_pictures
from topfive.errors import InvalidParameter


class EncodedPicture(Shape):
    """A picture's bytes in base64."""

    b64: str


class Instance(Shape):
    """One picture: `{"b64": TEXT}`, or `{"image": {"b64": TEXT}}`."""

    b64: str | None = None
    image: EncodedPicture | None = None


class InstancesIn(BaseModel):
    """Pictures, and what is asked of each: `top_k`, `model`, `version`, `explain`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instances: list[Instance] = Field(min_length=1, max_length=MOST_PICTURES)
    parameters: dict[str, Any] | None = None


class PredictionsOut(Shape):
    """What was found in each picture, in their order."""

    predictions: list[PredictionOut]


def answer_instances(body: bytes) -> Response:
    """Classify all instances of a body; one that fails fails them all, and is named by its index.

    Raises MalformedRequest or InvalidParameter, and what `Service.predict` raises.
    """
    asked = read_json(body, InstancesIn)
    fields = read_members(PredictFields, asked.parameters or {})
    pictures = [_decode(one, number) for number, one in enumerate(asked.instances)]
    predictions = predict_pictures(pictures, fields, "instances")
    request_id = current_record().request_id
    out = PredictionsOut(predictions=[prediction_out(one, request_id) for one in predictions])
    return Response(
        out.model_dump_json(exclude_none=True),
        mimetype="application/json",
        headers=prediction_headers(*predictions),
    )


def _decode(instance: Instance, number: int) -> bytes:
    name = f"`instances[{number}]`"
    inner = instance.image.b64 if instance.image else None
    text = instance.b64 if inner is None else inner
    if text is None or None not in (instance.b64, inner):
        raise InvalidParameter(f"{name} must have either `b64` or `image`, with base64 in it.")
    return decode_base64(text, name)
