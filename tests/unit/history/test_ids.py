"""Ids are UUIDs of version 7, in the order of time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from topfive.history import ids
from topfive.history.ids import first_id_after, first_id_at, make_id, time_of

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


def test_the_example_of_the_standard_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC; the fraction in place of its 12 bits."""
    at_ns = 0x017F22E279B0 * 1_000_000 + 0xCC3 * 1_000_000 // 4096 + 1
    monkeypatch.setattr(ids.time, "time_ns", lambda: at_ns)
    monkeypatch.setattr(ids.os, "urandom", lambda _: bytes.fromhex("18c4dc0c0c07398f"))
    made = make_id()
    assert made == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert time_of(made) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_an_id_says_what_it_is() -> None:
    """Version 7, of the variant of RFC 9562."""
    made = make_id()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_are_in_the_order_in_which_they_were_made() -> None:
    """As numbers and as text, beyond the quarter of a microsecond that two may share."""
    made = [make_id() for _ in range(2000)]
    assert [one.int >> 64 for one in made] == sorted(one.int >> 64 for one in made)
    assert sorted(str(one) for one in made) == [str(one) for one in sorted(made)]


def test_no_two_ids_are_the_same() -> None:
    """Of many threads neither."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_id(), range(20_000)))
    assert len(set(made)) == len(made)


def test_an_id_has_its_time() -> None:
    """To the millisecond, which is never later than the moment itself."""
    before = datetime.now(UTC)
    at = time_of(make_id())
    assert before - timedelta(milliseconds=1) < at <= datetime.now(UTC)
    assert at.microsecond % 1000 == 0
