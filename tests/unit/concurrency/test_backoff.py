"""How long is waited before a further attempt."""

from topfive.concurrency.backoff import Backoff


def test_waits_grow_up_to_a_limit():
    """Each further failure doubles the wait, and five minutes are the most."""
    waits = [Backoff().wait_s(failures) for failures in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert Backoff().wait_s(0) == 5


def test_waits_can_be_told_after_any_number_of_failures():
    """An outage of weeks is waited out like one of hours."""
    assert Backoff().wait_s(100_000) == 300


def test_those_who_failed_at_once_come_back_apart():
    """Chance decides half of a wait, and never makes it longer than it is said to be."""
    drawn = [Backoff().draw_wait_s(3) for _ in range(1000)]
    assert min(drawn) >= 10
    assert max(drawn) <= 20
    assert max(drawn) - min(drawn) > 5
