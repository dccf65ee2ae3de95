"""Sorting by days, in UTC."""

from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

DAY_MS = 24 * 3600 * 1000


def number_days(at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell the UTC days of times (n,), Unix time in ms, as days since 1970: (n,)."""
    return at_ms // DAY_MS


def name_day(number: int) -> date:
    """Give the date of a numbered day."""
    return moment(number * DAY_MS).date()


def moment(at_ms: int) -> datetime:
    """Give Unix time in ms as a time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
