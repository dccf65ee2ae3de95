"""How fast the work went, from what is known of each shard."""

import numpy as np
import pytest

from topfive.bulk.report.course import Course
from topfive.bulk.results.rows import ShardOutcome


def outcome(shard: int, began_at: float, node: str = "a", took_s: float = 2.0) -> ShardOutcome:
    """Make what became of a shard of a hundred pictures."""
    return ShardOutcome(shard, 100, "", 7, 1000, began_at, took_s, node)


def course_of(*outcomes: ShardOutcome) -> Course:
    """Take shards in."""
    course = Course()
    for one in outcomes:
        course.add(one)
    return course


def test_every_picture_is_in_the_timeline_once() -> None:
    """The rates, each for its time, come to all pictures, as a whole and by node."""
    course = course_of(*(outcome(n, 1000 + n * 0.9, "ab"[n % 2], 2.5) for n in range(60)))
    timeline = course.timeline(["a", "b"])
    lengths = np.diff(timeline.edges_s)
    assert (timeline.rates * lengths).sum() == pytest.approx(6000)
    for rates in timeline.by_node.values():
        assert (rates * lengths).sum() == pytest.approx(3000)
    assert timeline.pauses_s == []


def test_times_without_work_are_left_out() -> None:
    """After a kill and a `--resume` hours later the rate is that of the time at work."""
    course = course_of(outcome(0, 100.0), outcome(1, 102.0), outcome(2, 9000.0), outcome(3, 9002.0))
    timeline = course.timeline([])
    assert timeline.edges_s[-1] == pytest.approx(8.0)
    assert timeline.rates == pytest.approx(np.full(12, 50.0))
    assert timeline.pauses_s == pytest.approx([4.0])
    assert course.busy_s == pytest.approx(8.0)


def test_a_short_wait_is_told_as_it_was() -> None:
    """Some seconds without work stay in the timeline, as a rate of zero."""
    timeline = course_of(outcome(0, 100.0), outcome(1, 110.0)).timeline([])
    assert timeline.edges_s[-1] == pytest.approx(12.0)
    assert timeline.rates[5] == 0
    assert timeline.pauses_s == []


def test_nodes_are_told_with_their_workers() -> None:
    """Two shards at a time are two workers; a node's rate is that of its time at work."""
    first, second = course_of(
        outcome(0, 0.0, "a"), outcome(1, 0.0, "a"), outcome(2, 5.0, "b", took_s=4.0)
    ).by_node()
    assert (first.node, first.shards, first.pictures) == ("a", 2, 200)
    assert (first.rate, first.workers) == pytest.approx((100.0, 2.0))
    assert (second.node, second.rate, second.workers) == ("b", 25.0, 1.0)


def test_of_a_shard_that_is_told_twice_the_later_counts() -> None:
    """A shard that was done again is there once, on the node that did it last."""
    course = course_of(outcome(1, 0.0, "a"), outcome(0, 0.0, "b"), outcome(1, 3.0, "b"))
    assert [one.shard for one in course.shards()] == [0, 1]
    assert len(course) == 2
    assert [(one.node, one.pictures) for one in course.by_node()] == [("b", 200)]


def test_shards_that_are_missing_between_others_do_not_count() -> None:
    """What is not finished yet has no time and no node."""
    course = course_of(outcome(5, 1000.0), outcome(2, 1000.0))
    assert [tuple(one) for one in course.shards()] == [(2, 100, 7), (5, 100, 7)]
    assert course.busy_s == pytest.approx(2.0)
    assert course.timeline([]).edges_s[-1] == pytest.approx(2.0)
