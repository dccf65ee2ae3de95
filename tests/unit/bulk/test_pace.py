"""How fast a run is, and how long the rest of it takes."""

import pytest

from topfive.bulk.pace import Pace, show_duration


def test_the_rate_is_that_of_the_last_minute() -> None:
    """What was slow an hour ago says nothing of now."""
    pace = Pace(0.0, 0)
    for second in range(1, 3601):
        pace.add(float(second), second)
    for second in range(3601, 3662):
        pace.add(float(second), 3600 + 100 * (second - 3600))
    assert pace.per_s() == pytest.approx(100, rel=0.02)
    assert pace.left_s(20_000) == pytest.approx(103, rel=0.02)


def test_nothing_is_promised_before_the_first_shard() -> None:
    """Without a rate there is no time left."""
    pace = Pace(5.0, 300)
    assert pace.per_s() == 0
    assert pace.left_s(1000) is None


def test_a_long_shard_does_not_empty_the_window() -> None:
    """Two moments far apart still give a rate."""
    pace = Pace(0.0, 0)
    pace.add(500.0, 1000)
    pace.add(1000.0, 2000)
    assert pace.per_s() == 2


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations_have_two_units(seconds: float, shown: str) -> None:
    """The two largest are enough."""
    assert show_duration(seconds) == shown
