"""Reads a multipart form that arrives piece by piece: fields, then pictures (RFC 7578)."""

from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from topfive.api.batch.contents import (
    MAX_FIELD_BYTES,
    BatchLimits,
    BoundedBytes,
    Field,
    Found,
    field_too_late,
    field_too_long,
)
from topfive.api.fields import may_be_shown
from topfive.api.multipart import check_boundary
from topfive.api.upload import is_text
from topfive.errors import InvalidParameter, MalformedRequest, MissingFile

PICTURE_NAMES = ("files", "file", "image", "images", "files[]")
_PICTURES = "parts called `files`"
_MAX_PART_HEADER_BYTES = 8192
# What is not a form does not get to the first part within so many bytes.
_MAX_PREAMBLE_BYTES = 64 * 1024
_CUT_OFF = "The multipart body is cut off, or its boundary never comes."


class FormParser:
    """Finds the parts of one form; of a picture, no more than one at a time is in memory."""

    def __init__(self, boundary: str, limits: BatchLimits) -> None:
        """Raise MalformedRequest where the boundary cannot be one."""
        marker = check_boundary(boundary)
        self._parser = PushMultipartParser(marker, max_header_size=_MAX_PART_HEADER_BYTES)
        self._delimiter = b"\r\n--" + marker
        # The first delimiter may do without its line break.
        self._preamble = b"\r\n"
        self._has_begun = False
        self._limits = limits
        self._part: MultipartSegment | None = None
        self._content = BoundedBytes(0)
        self._pictures = 0
        self._bytes = 0

    def feed(self, data: bytes) -> Iterator[Found]:
        """Read on, as BatchParser says."""
        self._bytes += len(data)
        form = self._skip_preamble(data)
        try:
            yield from self._read(form)
        except MultipartError:
            raise MalformedRequest(
                "The multipart body is broken. Let a library build it: curl -F files=@photo.jpg"
            ) from None
        if self._part is None and self._bytes > _MAX_PREAMBLE_BYTES:
            raise MalformedRequest(_CUT_OFF)

    def finish(self) -> None:
        """Raise MalformedRequest unless the closing delimiter has come."""
        try:
            self._parser.close()
        except MultipartError:
            raise MalformedRequest(_CUT_OFF) from None

    def _skip_preamble(self, data: bytes) -> bytes:
        """Return what follows the preamble, which ends where the first delimiter begins.

        The library takes a delimiter within a line for the first one where a piece ends before it.
        """
        if self._has_begun:
            return data
        self._preamble += data
        begin = self._preamble.find(self._delimiter)
        if begin == -1:
            self._preamble = self._preamble[-len(self._delimiter) :]
            return b""
        self._has_begun = True
        return self._preamble[begin:]

    def _read(self, form: bytes) -> Iterator[Found]:
        # To the library no bytes are the end.
        for event in self._parser.parse(form) if form else ():
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is None:
                yield self._end()
            else:
                self._add(bytes(event))

    def _begin(self, part: MultipartSegment) -> None:
        self._part = part
        if part.name in PICTURE_NAMES:
            self._pictures += 1
            self._limits.check_count(self._pictures)
            self._content = BoundedBytes(self._limits.most_picture_bytes)
            return
        if part.filename is not None:
            raise _misnamed(part.name or "")
        if self._pictures:
            raise field_too_late(part.name or "")
        self._content = BoundedBytes(MAX_FIELD_BYTES)

    def _add(self, piece: bytes) -> None:
        self._content.add(piece)
        part = self._part
        if part is not None and part.name not in PICTURE_NAMES and self._content.is_too_long:
            raise field_too_long(part.name or "", _PICTURES)

    def _end(self) -> Found:
        assert self._part is not None  # noqa: S101 - a part that ends has begun
        name = self._part.name or ""
        content = self._content.join()
        if name not in PICTURE_NAMES:
            return Field(name, content.decode("utf-8", "replace"))
        if self._content.is_too_long:
            return self._limits.picture_too_long()
        if self._part.filename is None and is_text(content):
            return MissingFile(
                f"The part `{name}` is text, not a file. With curl write -F {name}=@photo.jpg."
            )
        return content


def _misnamed(name: str) -> InvalidParameter:
    which = f"A file is called `{name}`" if may_be_shown(name) and name else "A file has no name"
    return InvalidParameter(f"{which}. Pictures go into {_PICTURES}.")
