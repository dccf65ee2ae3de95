"""Whether one classifier is better than another, by the same photos."""

import pytest

from tests.unit.evaluation.answer_sets import answer
from topfive.errors import DatasetRefused
from topfive.evaluation.comparison import compare, mcnemar_p_value
from topfive.evaluation.proportions import estimate_paired_difference


def two(both, only_first, only_second, neither=0):
    """Make the answers of two classifiers that differ for so many photos."""
    parts = [(both, 0, 0), (only_first, 0, 1), (only_second, 1, 0), (neither, 1, 1)]
    truths = [0] * sum(count for count, _, _ in parts)
    firsts = [first for count, first, _ in parts for _ in range(count)]
    seconds = [second for count, _, second in parts for _ in range(count)]
    return answer(truths, firsts), answer(truths, seconds)


def test_the_p_value_is_that_of_the_exact_test():
    """Of 10 differing photos 1 to 9 happens by chance with 22/1024, twice 11/1024."""
    assert mcnemar_p_value(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar_p_value(9, 1) == pytest.approx(22 / 1024)
    assert mcnemar_p_value(5, 5) == 1.0


def test_photos_that_both_or_neither_get_right_say_nothing_of_which_is_better():
    """A million more that both get right leave the p value where it was."""
    few, many = compare(*two(0, 1, 9)), compare(*two(1000, 1, 9, 50))
    assert few.p_value == many.p_value
    assert many.difference.value == pytest.approx(8 / 1060)


def test_better_needs_more_than_chance():
    """Nine to one is better, six to four is not, and one to nine is worse."""
    assert compare(*two(80, 1, 9)).is_better
    assert not compare(*two(80, 4, 6)).is_better
    worse = compare(*two(80, 9, 1))
    assert worse.is_worse
    assert not worse.is_better


def test_equal_answers_are_no_difference():
    """Two that answer alike are neither better nor worse, with a p value of one."""
    same = compare(*two(20, 0, 0, 5))
    assert (same.p_value, same.difference.value, same.is_better, same.is_worse) == (
        1.0, 0.0, False, False,
    )  # fmt: skip


def test_the_difference_has_its_interval():
    """Bonett and Price's example: 12 and 2 of 60 differ by 0.167, from 0.05 to 0.27."""
    # By hand: p12 = 3/62, p21 = 13/62, 10/62 ± 1.96 √((16/62 - (10/62)²)/62).
    found = estimate_paired_difference(2, 12, 60)
    assert found.value == pytest.approx(10 / 60)
    assert (found.low, found.high) == (
        pytest.approx(0.0413, abs=1e-3), pytest.approx(0.2813, abs=1e-3),
    )  # fmt: skip


def test_photos_are_paired_by_their_bytes():
    """In another order, and with photos that only one has, the same photos are compared."""
    first = answer([0, 0, 0, 0], [0, 1, 0, 0])
    second = answer([0, 0], [1, 1], first_photo=2)
    found = compare(first, second)
    assert (found.count, found.only_first, found.only_second) == (2, 2, 0)


def test_nothing_in_common_cannot_be_compared():
    """Answers for other photos are refused."""
    with pytest.raises(DatasetRefused, match="no photo that both"):
        compare(answer([0], [0]), answer([0], [0], first_photo=5))


def test_the_document_says_who_is_better():
    """It has both accuracies, the difference and the p value to three digits."""
    document = compare(*two(80, 0, 20)).to_document()
    assert document["difference"]["value"] == 0.2
    assert document["is_better"] is True
    assert document["p_value"] == 1.91e-06
