"""Ids of predictions: UUIDs of version 7, which are in the order of time.

Source: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 and, for the fraction of the
millisecond, method 3 of its section 6.2.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MS = 2**48 - 1
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_NS_PER_MS = 1_000_000
_FRACTIONS = 2**12
_RANDOM_BYTES = 8
_RANDOM_MASK = 2**62 - 1


def make_id() -> UUID:
    """Make an id of this moment; those of one process are in the order in which they were made.

    Two of the same quarter of a microsecond may be in any order.
    """
    at_ms, rest_ns = divmod(time.time_ns(), _NS_PER_MS)
    fraction = rest_ns * _FRACTIONS // _NS_PER_MS
    random = int.from_bytes(os.urandom(_RANDOM_BYTES)) & _RANDOM_MASK
    return UUID(int=at_ms << 80 | _VERSION_AND_VARIANT | fraction << 64 | random)


def time_of(prediction_id: UUID) -> datetime:
    """Tell when an id was made, in UTC and to the millisecond."""
    return _EPOCH + timedelta(milliseconds=prediction_id.int >> 80)


def first_id_at(at: datetime) -> UUID:
    """Give the least id of the millisecond that holds a time; times before 1970 have the first."""
    return _first_id((at - _EPOCH) // timedelta(milliseconds=1))


def first_id_after(at: datetime) -> UUID:
    """Give the least id of the millisecond after the one that holds a time."""
    return _first_id((at - _EPOCH) // timedelta(milliseconds=1) + 1)


def _first_id(since_ms: int) -> UUID:
    return UUID(int=min(max(since_ms, 0), _MOST_MS) << 80 | _VERSION_AND_VARIANT)
