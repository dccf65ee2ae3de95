"""Where a page of the history ended, as a text that is good for that question alone.

Its checksum is against mistakes: a cursor that is made up reaches nothing that a filter does not.
"""

import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import asdict
from hashlib import blake2b
from uuid import UUID

from topfive.errors import InvalidParameter
from topfive.history.contract import HistoryFilter, HistoryOrder, Position

_CHECKSUM_BYTES = 8
_ID_BYTES = 16
_PERSON = b"topfive-cursor-1"
_CONFIDENCE = struct.Struct("<d")


def write_cursor(position: Position, only: HistoryFilter, order: HistoryOrder) -> str:
    """Write where a page ended."""
    place = position.id.bytes
    if position.confidence is not None:
        place += _CONFIDENCE.pack(position.confidence)
    return _encode(_checksum(place, only, order) + place)


def read_cursor(cursor: str, only: HistoryFilter, order: HistoryOrder) -> Position:
    """Read where a page ended; raises InvalidParameter where anything was changed since."""
    data = _decode(cursor)
    checksum, place = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    is_by_confidence = order is HistoryOrder.LEAST_CONFIDENT
    place_bytes = _ID_BYTES + (_CONFIDENCE.size if is_by_confidence else 0)
    if len(place) != place_bytes or checksum != _checksum(place, only, order):
        raise InvalidParameter(
            "`cursor` is not one of this question. Send `next_cursor` of the page before "
            "unchanged, with the same filters and the same `order`; or begin without it."
        )
    prediction_id = UUID(bytes=place[:_ID_BYTES])
    confidence = _CONFIDENCE.unpack(place[_ID_BYTES:])[0] if is_by_confidence else None
    return Position(prediction_id, confidence)


def _checksum(place: bytes, only: HistoryFilter, order: HistoryOrder) -> bytes:
    question = json.dumps([order.value, asdict(only)], default=_plain).encode()
    made = blake2b(question, digest_size=_CHECKSUM_BYTES, person=_PERSON)
    made.update(place)
    return made.digest()


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Decode base64; empty for what was not written so, to the last bit."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return b""
    return data if _encode(data) == text else b""
