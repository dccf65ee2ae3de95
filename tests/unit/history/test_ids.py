"""Ids in the order of time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from topfive.history.ids import first_id_after, first_id_at

AT = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def test_an_id_begins_with_its_millisecond() -> None:
    """The first 48 bits are milliseconds since 1970, and the version is 7 (RFC 9562)."""
    first = first_id_at(datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC))
    # The time of the RFC's own example, A.6.
    assert str(first) == "017f22e2-79b0-7000-8000-000000000000"
    assert (first.version, first.variant) == (7, UUID(int=0x8000 << 48).variant)


def test_all_ids_of_a_millisecond_lie_between() -> None:
    """From its first id to the first of the next one, that not included."""
    begin = AT.replace(microsecond=123_000)
    assert first_id_at(AT) == first_id_at(begin)
    assert first_id_after(AT) == first_id_at(begin + timedelta(milliseconds=1))
    assert first_id_at(AT) < first_id_after(AT)


def test_no_time_is_too_early_or_late() -> None:
    """Times that no id can have still bound a question."""
    earliest, latest = (one.replace(tzinfo=UTC) for one in (datetime.min, datetime.max))
    assert first_id_at(earliest).int >> 80 == 0
    assert first_id_at(earliest) < first_id_at(AT) < first_id_after(latest)
