"""Which ids belong to a time: of RFC 9562, version 7, they are in the order of time.

Source: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MS = 2**48 - 1
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62


def first_id_at(at: datetime) -> UUID:
    """Give the least id of the millisecond that holds a time; times before 1970 have the first."""
    return _first_id((at - _EPOCH) // timedelta(milliseconds=1))


def first_id_after(at: datetime) -> UUID:
    """Give the least id of the millisecond after the one that holds a time."""
    return _first_id((at - _EPOCH) // timedelta(milliseconds=1) + 1)


def _first_id(since_ms: int) -> UUID:
    return UUID(int=min(max(since_ms, 0), _MOST_MS) << 80 | _VERSION_AND_VARIANT)
