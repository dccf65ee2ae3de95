"""Reads a batch while it arrives: what is asked of all pictures first, then picture by picture."""

from collections.abc import Callable, Iterator
from typing import Protocol

from flask import Request

from topfive.api.batch.contents import BatchLimits, BatchParser, Field, Found
from topfive.api.batch.form_parser import FormParser
from topfive.api.batch.json_parser import JsonParser
from topfive.api.upload import failure_of_read
from topfive.errors import Failure, MalformedRequest, MissingFile, UnsupportedMediaType

_PIECE_BYTES = 64 * 1024
# While nothing arrives, it is looked so often whether results are ready to be sent.
_LOOK_EVERY_S = 0.02
# Far more than there are names of fields; all of them are kept until a picture comes.
_MOST_FIELDS = 64
_HOW_TO_SEND = (
    "Send multipart/form-data with parts `files` (curl -F files=@1.jpg -F files=@2.jpg ...), or "
    'JSON, {"images": ["BASE64", "BASE64"]}.'
)

Picture = bytes | Failure
# None: nothing has arrived yet, and whoever reads may do something else for a moment.
Arrival = Picture | None


class ArrivingBytes(Protocol):
    """The body of a request, of which some bytes may still have to come."""

    def read1(self, size: int = -1, /) -> bytes:
        """Read what has come, at most `size` bytes, waiting only where there is nothing."""
        ...


class ArrivingBatch:
    """The fields of a batch, and its pictures in their order; both are read from its body."""

    def __init__(self, found: Iterator[Found | None]) -> None:
        self._found = found
        self._first: Picture | None = None

    def read_fields(self) -> tuple[Field, ...]:
        """Read up to the first picture.

        Raises MissingFile where there is none, MalformedRequest where more fields come before it
        than there can be, and what the body's parser raises.
        """
        fields: list[Field] = []
        for one in self._found:
            if isinstance(one, Field):
                fields.append(one)
                _check_count(fields)
            elif one is not None:
                self._first = one
                return tuple(fields)
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")

    def pictures(self) -> Iterator[Arrival]:
        """Read the pictures one after the other; each as it is, or why it is none.

        Raises what the body's parser raises.
        """
        if self._first is not None:
            yield self._first
        for one in self._found:
            if not isinstance(one, Field):
                yield one


def open_batch(incoming: Request, limits: BatchLimits) -> ArrivingBatch:
    """Begin to read the batch that a request holds.

    Raises BatchTooLarge by the length alone, MissingFile, UnsupportedMediaType or MalformedRequest.
    """
    limits.check_length(incoming.content_length or 0)
    parser = _open_parser(incoming, limits)
    environ = incoming.environ
    has_come = environ.get("topfive.body_has_come", _always_has)
    return ArrivingBatch(read_batch(environ["wsgi.input"], parser, limits, has_come))


def read_batch(
    body: ArrivingBytes,
    parser: BatchParser,
    limits: BatchLimits,
    has_come: Callable[[float], bool],
) -> Iterator[Found | None]:
    """Give what `parser` finds in a body, and None now and then.

    `has_come` waits for so many seconds whether there is more to read. Raises what the parser
    raises, BatchTooLarge, UploadTooSlow, MalformedRequest or ClientDisconnected.
    """
    count = 0
    while True:
        while not has_come(_LOOK_EVERY_S):
            yield None
        piece = _read(body)
        count += len(piece)
        limits.check_length(count)
        if not piece:
            if count:
                parser.finish()
            return
        yield from parser.feed(piece)
        yield None


def _check_count(fields: list[Field]) -> None:
    if len(fields) > _MOST_FIELDS:
        raise MalformedRequest(f"The batch has over {_MOST_FIELDS} fields before a picture.")


def _open_parser(incoming: Request, limits: BatchLimits) -> BatchParser:
    if incoming.mimetype == "multipart/form-data":
        return FormParser(incoming.mimetype_params.get("boundary", ""), limits)
    if incoming.mimetype == "application/json":
        return JsonParser(limits)
    if not incoming.mimetype and not incoming.content_length:
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")
    raise UnsupportedMediaType(f"This content type is not supported. {_HOW_TO_SEND}")


def _read(body: ArrivingBytes) -> bytes:
    try:
        return body.read1(_PIECE_BYTES)
    except (OSError, ValueError) as error:
        raise failure_of_read(error) from error


def _always_has(_timeout_s: float) -> bool:
    return True
