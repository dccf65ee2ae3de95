"""The body of a request for a prediction: one picture, and beside it in a form, named fields."""

import re
from typing import NamedTuple

from flask import Flask, Request, request
from werkzeug.exceptions import ClientDisconnected as UnreadableBody

from topfive.api.fields import Pair, may_be_shown
from topfive.api.multipart import START_BYTES, Part, check_start, find_parts
from topfive.api.request import current_route, current_settings
from topfive.errors import (
    ClientDisconnected,
    Failure,
    FileTooLarge,
    InvalidParameter,
    MalformedRequest,
    MissingFile,
    UnsupportedMediaType,
    UploadTooSlow,
)

_PICTURE_NAMES = ("file", "image")
_HOW_TO_SEND = (
    "Send multipart/form-data with a part `file` (curl -F file=@photo.jpg ...), or the bytes "
    "alone with an image/* or application/octet-stream content type."
)
# What nearly every client sends; the library reads all other forms, at forty times the cost.
_USUAL_FORM = re.compile(r"multipart/form-data; boundary=([0-9A-Za-z'()+_,./:?-]{1,70})")
_MAX_FIELD_BYTES = 1000
_RAW_TYPES = frozenset({"application/octet-stream"})
# Pictures of every format have other control characters, mostly zeros, near their beginning.
_LOOKED_AT_BYTES = 512
_TEXT = re.compile(rb"[\t\n\f\r\x20-\x7e\x80-\xff]+")


class PictureRequest(Request):
    """A request whose body is read into memory, never to disk, and never parsed unasked."""

    want_form_data_parsed = False


def limit_bodies(app: Flask) -> None:
    """Let no request have a longer body than the table allows its route."""
    app.before_request(_limit_body)


def _limit_body() -> None:
    request.max_content_length = current_settings().route_table.body_bytes(current_route())


class Upload(NamedTuple):
    """A picture's bytes, and the fields that came beside it."""

    picture: bytes
    fields: tuple[Pair, ...] = ()


def read_upload(incoming: Request, further_types: frozenset[str] = frozenset()) -> Upload:
    """Read the one picture and the fields of a multipart body, or the picture of a raw one.

    A raw one may be of `further_types` too.

    Raises MissingFile, InvalidParameter, MalformedRequest, UnsupportedMediaType, FileTooLarge,
    UploadTooSlow or ClientDisconnected.
    """
    usual = _USUAL_FORM.fullmatch(incoming.environ.get("CONTENT_TYPE", ""))
    if usual:
        return _read_form(incoming, usual[1])
    mimetype = incoming.mimetype
    if mimetype == "multipart/form-data":
        return _read_form(incoming, incoming.mimetype_params.get("boundary", ""))
    if mimetype in further_types | _RAW_TYPES or mimetype.startswith("image/"):
        return Upload(read_body(incoming))
    if not mimetype and not read_body(incoming):
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")
    raise UnsupportedMediaType(f"This content type is not supported. {_HOW_TO_SEND}")


def _read_form(incoming: Request, boundary: str) -> Upload:
    body = read_body(incoming, boundary)
    if not body:
        raise MissingFile(f"The request holds no picture. {_HOW_TO_SEND}")
    parts = find_parts(body, boundary)
    part = _only_picture(parts)
    picture = body[part.start : part.end]
    if not part.has_filename and is_text(picture):
        raise MissingFile(
            f"The part `{part.name}` is text, not a file. "
            f"With curl write -F {part.name}=@photo.jpg."
        )
    return Upload(picture, tuple(_field(body, one) for one in parts if one is not part))


def is_text(content: bytes) -> bool:
    """Tell whether what came in a picture's place is a text, such as the name of a file."""
    return _TEXT.fullmatch(content[:_LOOKED_AT_BYTES]) is not None


def _only_picture(parts: list[Part]) -> Part:
    pictures = [part for part in parts if part.name in _PICTURE_NAMES]
    if len(pictures) == 1:
        return pictures[0]
    if pictures:
        names = " and ".join(sorted({f"`{part.name}`" for part in pictures}))
        raise InvalidParameter(
            f"There are {len(pictures)} pictures, called {names}. Send one picture a request, or "
            "several to /predict/batch."
        )
    raise MissingFile(f"The request has no part called `file`{_instead(parts)}. {_HOW_TO_SEND}")


def _instead(parts: list[Part]) -> str:
    """Name the first file that has another name than a picture must have."""
    names = (part.name for part in parts if part.has_filename)
    found = next((name for name in names if name and may_be_shown(name)), None)
    where = ", which belongs to /predict/batch" if found == "files" else ""
    return f", but a file called `{found}`{where}" if found else ""


def _field(body: bytes, part: Part) -> Pair:
    if not part.name:
        raise InvalidParameter("A part of the form has no name.")
    if part.end - part.start > _MAX_FIELD_BYTES:
        which = f"`{part.name}`" if may_be_shown(part.name) else "of the form"
        raise InvalidParameter(
            f"The field {which} has over {_MAX_FIELD_BYTES} bytes. "
            "A picture goes into the part `file`, and there is one a request."
        )
    return part.name, body[part.start : part.end].decode("utf-8", "replace")


def read_body(incoming: Request, boundary: str | None = None) -> bytes:
    """Return the whole body, of a hopeless multipart one its start only.

    Raises FileTooLarge, UploadTooSlow, MalformedRequest or ClientDisconnected.
    """
    collected: bytes | None = incoming.environ.get("topfive.body")
    body = _receive_body(incoming, boundary) if collected is None else collected
    most = incoming.max_content_length
    if most is not None and len(body) >= most:
        # A body that did not tell its length was cut off at the limit.
        raise FileTooLarge("The upload has too many bytes. See /info for the limit.")
    return body


def _receive_body(incoming: Request, boundary: str | None) -> bytes:
    try:
        start = b""
        if boundary is not None:
            start = incoming.stream.read(START_BYTES)
            check_start(start, boundary)
        return start + incoming.get_data(cache=False)
    except UnreadableBody as error:
        # werkzeug calls every failed read a disconnect, and keeps the reason in the context.
        raise failure_of_read(error.__context__) from error


def failure_of_read(reason: BaseException | None) -> Failure:
    """Tell of a body that cannot be read on as UploadTooSlow, MalformedRequest or as gone."""
    if isinstance(reason, TimeoutError):
        return UploadTooSlow("The upload did not arrive in time. Try a faster connection.")
    if isinstance(reason, ValueError):
        return MalformedRequest("The body is not HTTP that is understood here.")
    return ClientDisconnected("The client closed its connection before its upload was whole.")
