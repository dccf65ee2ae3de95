"""Finds the parts of a multipart body that is in memory (RFC 2046, 5.1.1; RFC 7578).

The body is searched, never copied or split as a whole: the cost is that of one pass over it.
"""

import re
from typing import NamedTuple

from werkzeug.http import parse_options_header

from topfive.errors import MalformedRequest

_MAX_PARTS = 64
_MAX_PART_HEADER_BYTES = 8192
_MAX_BOUNDARY_BYTES = 200
# What nearly every client sends, with no escapes in it; the library reads all other forms, at forty
# times the cost.
_USUAL_DISPOSITION = re.compile(rb' form-data; name="([^"\\%\x80-\xff]*)"(; filename="[^"\\]*")?')
# Lines in a part that begin like a delimiter and are none. A part of files has hardly one.
_MAX_LIKENESSES = 1000
# Enough of a body to hold the first delimiter and the first part's header.
START_BYTES = _MAX_BOUNDARY_BYTES + 4 + _MAX_PART_HEADER_BYTES


def check_start(start: bytes, boundary: str) -> None:
    """Look at a body's first START_BYTES, so that the rest of a hopeless one need not be read.

    Raises MalformedRequest if the boundary is unusable, the first part's header does not end, or
    there are too many parts already.
    """
    if len(start) < START_BYTES:
        return
    delimiter = _delimiter(boundary)
    is_closing = start.startswith(b"--", len(delimiter))
    if start.startswith(delimiter) and not is_closing:
        _read_part_header(start, len(delimiter))
    if start.count(b"\r\n" + delimiter + b"\r\n") > _MAX_PARTS:
        raise _too_many_parts()


def check_boundary(boundary: str) -> bytes:
    """Return a boundary as it stands in a body; raises MalformedRequest if it cannot be one."""
    return _delimiter(boundary)[2:]


class Part(NamedTuple):
    """Where one part's content lies in the body, in bytes, and what its header says of it."""

    name: str | None
    has_filename: bool
    start: int
    end: int


def find_parts(body: bytes, boundary: str) -> list[Part]:
    """List the parts of a body in their order; their contents are not looked at.

    The whole body must be well formed, up to its closing delimiter. Raises MalformedRequest.
    """
    delimiter = _delimiter(boundary)
    parts: list[Part] = []
    position = _after_first_delimiter(body, delimiter)
    while not body.startswith(b"--", position):
        if len(parts) == _MAX_PARTS:
            raise _too_many_parts()
        name, has_filename, start = _read_part_header(body, position)
        end = _find_delimiter(body, delimiter, start)
        # An empty part may end with the very line break that ended its header.
        parts.append(Part(name, has_filename, start, max(start, end)))
        position = end + 2 + len(delimiter)
    return parts


def _too_many_parts() -> MalformedRequest:
    return MalformedRequest(f"The multipart body has more than {_MAX_PARTS} parts.")


def _delimiter(boundary: str) -> bytes:
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    if not boundary or len(delimiter) > _MAX_BOUNDARY_BYTES:
        raise MalformedRequest("The multipart content type names no usable boundary.")
    return delimiter


def _after_first_delimiter(body: bytes, delimiter: bytes) -> int:
    if body.startswith(delimiter):
        return len(delimiter)
    return _find_delimiter(body, delimiter, 2) + 2 + len(delimiter)


def _find_delimiter(body: bytes, delimiter: bytes, start: int) -> int:
    """Find where the line break before the next delimiter begins.

    The break may be the one that ended the part's header, where the content is empty.
    """
    line = b"\r\n" + delimiter
    end = body.find(line, start - 2)
    for _ in range(_MAX_LIKENESSES):
        if end == -1:
            break
        after = end + len(line)
        if body.startswith((b"\r\n", b"--", b" ", b"\t"), after):
            return end
        end = body.find(line, after)
    raise MalformedRequest("The multipart body is cut off, or its boundary never comes.")


def _read_part_header(body: bytes, position: int) -> tuple[str | None, bool, int]:
    """Return a part's name, whether it has a file's name, and where its content begins."""
    end = body.find(b"\r\n\r\n", position, position + _MAX_PART_HEADER_BYTES)
    if end == -1:
        raise MalformedRequest("A part of the multipart body has no end to its header.")
    for line in body[position:end].split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            if usual := _USUAL_DISPOSITION.fullmatch(value):
                return usual[1].decode("ascii"), usual[2] is not None, end + 4
            _, options = parse_options_header(value.decode("utf-8", "replace"))
            return options.get("name"), "filename" in options, end + 4
    return None, False, end + 4
