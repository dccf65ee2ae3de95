"""Reads JSON with pictures in base64 that arrives piece by piece: `{"images": [TEXT, ...]}`."""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import ijson

from topfive.api.batch.contents import (
    MAX_FIELD_BYTES,
    BatchLimits,
    BoundedBytes,
    Field,
    Found,
    field_too_late,
    field_too_long,
)
from topfive.api.batch.json_texts import INLINE, LongTexts
from topfive.api.fields import may_be_shown
from topfive.api.json_body import decode_base64
from topfive.errors import FileTooLarge, InvalidParameter, MalformedRequest

_IMAGES = "images"
_HOW_TO_SEND = 'as in `{"images": ["BASE64", "BASE64"]}`'
# What is left between two values of JSON whose texts are taken out: commas, and the layout.
_MAX_GAP_BYTES = 64 * 1024
# Base64 writes three bytes as four characters (RFC 4648); escaped line breaks, of which MIME puts
# one after 76 characters, take 4 more.
_MOST_CHARACTERS_PER_BYTE = 4 / 3 * 80 / 76
# Texts that are this many times as long as a picture's may be are no pictures by mistake.
_MOST_TIMES_TOO_LONG = 4
_BEGINS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})


class JsonParser:
    """Finds the members of one JSON object; of its pictures, one at a time is in memory."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._most_text_bytes = int(limits.most_picture_bytes * _MOST_CHARACTERS_PER_BYTE) + 1000
        self._texts = LongTexts(self._most_text_bytes)
        self._events = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events, use_float=True)
        self._seen: set[str] = set()
        self._depth = 0
        self._member = ""
        self._pictures = 0
        self._gap_bytes = 0

    def feed(self, data: bytes) -> Iterator[Found]:
        """Read on, as BatchParser says."""
        left = self._texts.take_from(data)
        is_json = self._parse(left)
        events = self._take_events()
        for event, value in events:
            found = self._read(event, value)
            if found is not None:
                yield found
        if not is_json:
            raise MalformedRequest("The body is not JSON (RFC 8259).")
        self._gap_bytes = 0 if events else self._gap_bytes + len(left)
        self._check_lengths()

    def finish(self) -> None:
        """Raise MalformedRequest unless the object has ended."""
        try:
            self._parser.close()
        except (ijson.JSONError, ValueError):
            raise MalformedRequest("The body is not JSON: it is cut off.") from None
        # A number has no end of its own: the library gives it when nothing follows.
        for event, value in self._take_events():
            self._read(event, value)

    def _parse(self, left: bytes) -> bool:
        """Have the library find the values up to where it is no JSON; tell whether it is."""
        try:
            if left:
                self._parser.send(left)
        except (ijson.JSONError, ValueError):
            # The library's own text would quote the body.
            return False
        return True

    def _take_events(self) -> list[tuple[str, Any]]:
        events = list(self._events)
        del self._events[:]
        return events

    def _check_lengths(self) -> None:
        if self._gap_bytes > _MAX_GAP_BYTES:
            raise MalformedRequest(f"The JSON has {_MAX_GAP_BYTES} bytes without a value in them.")
        if self._texts.text_bytes > self._most_text_bytes * _MOST_TIMES_TOO_LONG:
            raise FileTooLarge(
                f"A text of the JSON has over {self._most_text_bytes * _MOST_TIMES_TOO_LONG} "
                "characters. No picture may be as long. See /info for the limit."
            )

    def _read(self, event: str, value: Any) -> Found | None:
        if event in _BEGINS:
            self._begin(event)
        elif event in _ENDS:
            self._depth -= 1
        elif event == "map_key":
            self._begin_member(value)
        elif self._depth == 0:
            raise _no_object()
        elif self._depth == 1:
            return self._read_field(value)
        else:
            return self._read_picture(value)
        return None

    def _begin(self, event: str) -> None:
        if self._depth == 0 and event != "start_map":
            raise _no_object()
        is_images = self._member == _IMAGES and event == "start_array"
        if self._depth > 1 or (self._depth == 1 and not is_images):
            raise InvalidParameter(f"{_shown(self._member)} is nested too deeply. {_expected()}")
        self._depth += 1

    def _begin_member(self, value: str) -> None:
        name = self._read_text(value)
        if name in self._seen:
            raise MalformedRequest(f"{_shown(name)} is in the JSON twice. Give it once.")
        self._seen.add(name)
        if _IMAGES in self._seen and name != _IMAGES:
            raise field_too_late(name)
        self._member = name

    def _read_field(self, value: Any) -> Field:
        if self._member == _IMAGES:
            raise InvalidParameter(f"`{_IMAGES}` must be a list. {_expected()}")
        text = self._read_text(value) if isinstance(value, str) else json.dumps(value)
        return Field(self._member, text)

    def _read_picture(self, value: Any) -> Found:
        number = self._pictures
        self._pictures += 1
        self._limits.check_count(self._pictures)
        name = f"`{_IMAGES}[{number}]`"
        if not isinstance(value, str):
            return InvalidParameter(f"{name} must be a text with base64 in it.")
        try:
            return self._decode(value, name)
        except (InvalidParameter, FileTooLarge) as failure:
            return failure

    def _decode(self, value: str, name: str) -> bytes:
        if value.startswith(INLINE):
            return decode_base64(value[1:], name)
        taken = self._texts.taken.popleft()
        if taken.is_too_long:
            raise self._limits.picture_too_long()
        text = taken.join()
        with suppress(Base64Error, ValueError):
            return a2b_base64(text, strict_mode=True)
        return decode_base64(_unescape(text), name)

    def _read_text(self, value: str) -> str:
        """Return the text that a field or a name is."""
        if value.startswith(INLINE):
            return value[1:]
        taken: BoundedBytes = self._texts.taken.popleft()
        if taken.count > MAX_FIELD_BYTES:
            raise field_too_long(self._member, f"`{_IMAGES}`")
        return _unescape(taken.join())


def _unescape(text: bytes) -> str:
    """Read a JSON text, as it stands between its quotation marks."""
    try:
        return str(json.loads(b'"' + text + b'"'))
    except ValueError:
        raise MalformedRequest("The body is not JSON: a text in it is none (RFC 8259).") from None


def _shown(name: str) -> str:
    return f"`{name}`" if name and may_be_shown(name) else "A member"


def _expected() -> str:
    return f"Send a list of texts with base64 in them, {_HOW_TO_SEND}."


def _no_object() -> InvalidParameter:
    return InvalidParameter(f"The body must be a JSON object, {_HOW_TO_SEND}.")
