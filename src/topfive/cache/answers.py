"""What is kept of a prediction, the key it is kept under, and its bytes."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from topfive import __version__
from topfive.predictions import ClassScore, Heatmap, ImageInfo

# To be raised where the bytes of an entry change: it is in every key.
_LAYOUT = 1
_CHECKSUM_BYTES = 16


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer hangs on beside the picture: the bundle, how it is run, what is asked."""

    bundle_digest: str
    engine: str
    precision: str
    top_k: int
    explains: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What is the same for everyone who asks the same of the same picture."""

    classes: tuple[ClassScore, ...]
    image: ImageInfo
    heatmap: Heatmap | None = None


class BrokenEntry(Exception):
    """The bytes are not those of an answer under this key."""


Count = Annotated[int, Field(ge=0)]
Pixels = Annotated[int, Field(ge=1)]
Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Stored(BaseModel):
    """An answer's JSON: lists, since names of fields would double its size."""

    model_config = ConfigDict(
        strict=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    classes: Annotated[tuple[tuple[Count, str, Confidence], ...], Field(min_length=1)]
    image: tuple[str, Pixels, Pixels]
    heatmap: tuple[Count, Pixels, Pixels, bytes] | None


def answer_key(picture_sha256: bytes, question: Question) -> bytes:
    """Make the key (32 bytes) of the answer to a question about a picture.

    Answers of another version of topfive have other keys: it may prepare pictures in another way.
    """
    asked = (
        _LAYOUT,
        __version__,
        picture_sha256.hex(),
        question.bundle_digest,
        question.engine,
        question.precision,
        question.top_k,
        question.explains,
    )
    return hashlib.sha256(json.dumps(asked).encode()).digest()


def write_entry(key: bytes, answer: Answer) -> bytes:
    """Write an answer as it is kept under `key`: a checksum, then JSON."""
    image, heatmap = answer.image, answer.heatmap
    stored = _Stored.model_construct(
        classes=tuple((one.class_id, one.class_name, one.confidence) for one in answer.classes),
        image=(image.format, image.width, image.height),
        heatmap=heatmap and (heatmap.class_id, heatmap.width, heatmap.height, heatmap.png),
    )
    text = stored.model_dump_json().encode()
    return _checksum(key, text) + text


def read_entry(key: bytes, entry: bytes) -> Answer:
    """Read what `write_entry` wrote under the same key; raises BrokenEntry for anything else."""
    checksum, text = entry[:_CHECKSUM_BYTES], entry[_CHECKSUM_BYTES:]
    if checksum != _checksum(key, text):
        raise BrokenEntry("Its checksum is wrong.")
    try:
        stored = _Stored.model_validate_json(text)
    except ValidationError as error:
        raise BrokenEntry("It is no answer.") from error
    return Answer(
        tuple(ClassScore(*one) for one in stored.classes),
        ImageInfo(*stored.image),
        stored.heatmap and Heatmap(*stored.heatmap),
    )


def _checksum(key: bytes, text: bytes) -> bytes:
    # With the key in it, an entry that was moved below another key is found out too.
    return hashlib.blake2b(text, digest_size=_CHECKSUM_BYTES, key=key).digest()
