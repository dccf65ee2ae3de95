"""The shapes of the protocol's answers."""

from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from topfive.api.open_inference.answers import OUTPUTS
from topfive.api.open_inference.tensors import IMAGE, PIXELS
from topfive.api.schemas import Shape
from topfive.service import ModelDescription


class ModelPath(BaseModel):
    """Which model is meant."""

    model: str = Field(description="The model's name.")


class VersionPath(ModelPath):
    """Which version of which model is meant."""

    version: str = Field(description="The model's version.")


class LiveOut(Shape):
    """Whether the server answers."""

    live: bool


class ServerReadyOut(Shape):
    """Whether the server may be sent requests for inference."""

    ready: bool


class ModelReadyOut(Shape):
    """Whether a model may be sent requests for inference."""

    name: str
    ready: bool


class ServerOut(Shape):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class TensorOut(Shape):
    """What a tensor is called and what it holds; -1: any length."""

    name: str
    datatype: str
    shape: list[int]


class MetadataOut(Shape):
    """A model's inputs, of which one is sent, and its outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]


class OutputOut(TensorOut):
    """An output with its values: in `data`, or behind the JSON, as many bytes as parameters say."""

    data: list[Any] | SkipJsonSchema[None] = None
    parameters: dict[str, Any] | SkipJsonSchema[None] = None


class InferOut(Shape):
    """The answer to a request for inference; `id` is the request's, where it had one."""

    model_name: str
    model_version: str
    id: str | SkipJsonSchema[None] = None
    parameters: dict[str, Any] | SkipJsonSchema[None] = None
    outputs: list[OutputOut]


class ErrorOut(Shape):
    """A failure: its code, and why."""

    error: str


def metadata_out(described: ModelDescription) -> MetadataOut:
    """Shape what is known of a model."""
    side = described.side
    inputs = [
        TensorOut(name=IMAGE, datatype="BYTES", shape=[-1]),
        TensorOut(name=PIXELS, datatype="UINT8", shape=[-1, side, side, 3]),
    ]
    outputs = [
        TensorOut(name=name, datatype=one.datatype, shape=[-1, -1]) for name, one in OUTPUTS.items()
    ]
    return MetadataOut(
        name=described.ref.name,
        versions=list(described.versions),
        platform=described.engine,
        inputs=inputs,
        outputs=outputs,
    )
