"""A cursor is good for its own question, as it was written."""

import string
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.api.history.cursor import read_cursor, write_cursor
from topfive.errors import InvalidParameter
from topfive.history.contract import HistoryFilter, HistoryOrder, Position

ID = UUID("019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90")
FILTER = HistoryFilter(
    since=datetime(2026, 11, 26, tzinfo=UTC),
    model="flowers",
    class_name="müde Rose",
    least_confidence=0.1,
    is_labelled=False,
    picture_sha256=b"\0" * 32,
)
CHANGED = [
    HistoryFilter(),
    replace(FILTER, since=None),
    replace(FILTER, since=datetime(2026, 11, 26, microsecond=1, tzinfo=UTC)),
    replace(FILTER, model=None, version="flowers"),
    replace(FILTER, class_name=None, class_id=1),
    replace(FILTER, least_confidence=None, most_confidence=0.1),
    replace(FILTER, is_labelled=None),
    replace(FILTER, is_labelled=True),
    replace(FILTER, picture_sha256=b"\1" * 32),
    replace(FILTER, request_id="1"),
]


def position_in(order: HistoryOrder) -> Position:
    """Make a position as a page of that order tells it."""
    return Position(ID, 0.1 + 0.2 if order is HistoryOrder.LEAST_CONFIDENT else None)


@pytest.mark.parametrize("order", HistoryOrder)
def test_a_cursor_is_read_as_it_was_written(order: HistoryOrder) -> None:
    """The same position comes back, its confidence to the last bit, and the text fits a query."""
    position = position_in(order)
    cursor = write_cursor(position, FILTER, order)
    assert read_cursor(cursor, FILTER, order) == position
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")
    assert len(cursor) <= 43


@pytest.mark.parametrize("only", CHANGED)
def test_a_cursor_is_bound_to_its_filters(only: HistoryFilter) -> None:
    """With any filter added, taken away or changed it is refused."""
    cursor = write_cursor(position_in(HistoryOrder.NEWEST), FILTER, HistoryOrder.NEWEST)
    with pytest.raises(InvalidParameter, match="not one of this question"):
        read_cursor(cursor, only, HistoryOrder.NEWEST)


@pytest.mark.parametrize("written", HistoryOrder)
@pytest.mark.parametrize("read", HistoryOrder)
def test_a_cursor_is_bound_to_its_order(written: HistoryOrder, read: HistoryOrder) -> None:
    """In another order its place means something else."""
    cursor = write_cursor(position_in(written), FILTER, written)
    if written is read:
        assert read_cursor(cursor, FILTER, read) == position_in(read)
    else:
        with pytest.raises(InvalidParameter):
            read_cursor(cursor, FILTER, read)


@pytest.mark.parametrize("order", HistoryOrder)
def test_no_character_of_a_cursor_may_change(order: HistoryOrder) -> None:
    """Not even the last one, of which base64 leaves some bits unused; nothing is cut or added."""
    cursor = write_cursor(position_in(order), FILTER, order)
    alphabet = string.ascii_letters + string.digits + "-_"
    tampered = {
        cursor[:at] + other + cursor[at + 1 :] for at in range(len(cursor)) for other in alphabet
    } - {cursor}
    tampered |= {cursor[:end] for end in range(len(cursor))}
    tampered |= {f"{cursor}{more}" for more in ("A", "=", "AAAA", " ", "\n")} | {f" {cursor}"}
    for one in tampered:
        with pytest.raises(InvalidParameter):
            read_cursor(one, FILTER, order)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    """No text causes another error."""
    with pytest.raises(InvalidParameter):
        read_cursor(text, FILTER, HistoryOrder.NEWEST)
