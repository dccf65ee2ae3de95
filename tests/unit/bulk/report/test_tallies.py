"""What is added up of rows, held against a plain count over them."""

from collections import Counter
from typing import TypeVar

import pytest

from tests.unit.bulk.report.made_run import make_rows
from topfive.bulk.report.batches import read_batches
from topfive.bulk.report.classes import ClassTally
from topfive.bulk.report.failures import FailureTally
from topfive.bulk.report.sizes import SIZE_EDGES, SizeTally
from topfive.bulk.report.times import TimeTally
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.parquet_file import encode_parquet
from topfive.bulk.results.rows import ResultRow
from topfive.predictions import ModelRef

Tally = TypeVar("Tally", ClassTally, FailureTally, SizeTally, TimeTally)

ROWS = make_rows(1000)
CLASSIFIED = [row for row in ROWS if row.classes]


def add_all(tally: Tally, rows: list[ResultRow]) -> Tally:
    """Take rows in, a hundred at a time."""
    for first in range(0, len(rows), 100):
        some = encode_parquet(rows[first : first + 100], ModelRef("tiny", "1"), {})
        for batch in read_batches(some, ResultFormat.PARQUET):
            tally.add(batch)
    return tally


def total_ms(row: ResultRow) -> float:
    """Add up the steps of a row."""
    times = row.timings
    return times.read_ms + times.decode_ms + times.preprocess_ms + times.inference_ms


def test_classes_are_those_that_are_most_likely() -> None:
    """Each class has its number of pictures and the mean of its confidences."""
    tally = add_all(ClassTally(), ROWS)
    best = [row.classes[0] for row in CLASSIFIED]
    counted = tally.most_frequent()
    assert {one.name: one.pictures for one in counted} == Counter(one.class_name for one in best)
    assert [one.pictures for one in counted] == sorted(one.pictures for one in counted)[::-1]
    for one in counted:
        mine = [each.confidence for each in best if each.class_id == one.class_id]
        assert one.mean_confidence == pytest.approx(sum(mine) / len(mine))
    assert tally.classified == len(CLASSIFIED)
    assert tally.mean_confidence == pytest.approx(sum(one.confidence for one in best) / len(best))


def test_unsure_answers_are_counted() -> None:
    """Confidences below a bound are as many as there are."""
    tally = add_all(ClassTally(), ROWS)
    assert tally.confidence_bins.sum() == len(CLASSIFIED)
    for bound in (0.1, 0.5, 0.8, 1.0):
        below = sum(row.classes[0].confidence < bound for row in CLASSIFIED)
        assert tally.below(bound) == below


def test_failures_have_their_first_pictures_as_examples() -> None:
    """Each code has its number of pictures, the first few with their sentence, and advice."""
    tally = add_all(FailureTally(), ROWS)
    failed = [row for row in ROWS if row.error]
    counted = {one.code: one for one in tally.most_frequent()}
    assert {code: one.pictures for code, one in counted.items()} == Counter(
        row.error for row in failed
    )
    assert tally.pictures == len(failed)
    for code, one in counted.items():
        mine = [(row.path, row.detail) for row in failed if row.error == code]
        assert one.examples == mine[:5]
        assert one.meaning
        assert one.advice


def test_an_unknown_code_is_counted_too() -> None:
    """A code of a later version has no advice, and is no fault of the report."""
    rows = [ResultRow(0, "a.jpg", error="melted", detail="")]
    (one,) = add_all(FailureTally(), rows).most_frequent()
    assert (one.code, one.pictures, one.meaning, one.advice) == ("melted", 1, "", "")


def test_formats_and_sizes_are_those_of_opened_pictures() -> None:
    """Pictures, bytes and pixels of each format, and how many have which size."""
    tally = add_all(SizeTally(), ROWS)
    for one in tally.most_frequent():
        mine = [row for row in CLASSIFIED if row.image and row.image.format == one.name]
        assert one.pictures == len(mine)
        assert one.size_bytes == sum(row.size_bytes for row in mine)
        assert one.pixels == sum(row.image.width * 500 for row in mine if row.image)
    assert tally.byte_bins.sum() == tally.pixel_bins.sum() == len(CLASSIFIED)
    (place,) = {int(at) for at in tally.byte_bins.nonzero()[0]}
    assert SIZE_EDGES[place] <= 50_000 <= SIZE_EDGES[place + 1]


def test_the_slowest_are_kept_and_percentiles_are_near() -> None:
    """The twenty that took longest, failed ones too, and percentiles to one percent."""
    tally = add_all(TimeTally(), ROWS)
    slowest = sorted(map(total_ms, ROWS))[::-1][:20]
    assert [one.total_ms for one in tally.slowest] == pytest.approx(slowest)
    times = sorted(map(total_ms, CLASSIFIED))
    for percent in (50, 99):
        exact = times[int(len(times) * percent / 100)]
        assert tally.percentile_ms(percent) == pytest.approx(exact, rel=0.02)
    mean = sum(row.timings.inference_ms for row in CLASSIFIED) / len(CLASSIFIED)
    assert tally.mean_steps_ms["inference_ms"] == pytest.approx(mean)


def test_a_run_of_failures_alone_has_no_classes() -> None:
    """Nothing divides by zero where no picture could be classified."""
    rows = [ResultRow(0, "a.jpg", error="empty_file", detail="It is empty.")]
    classes = add_all(ClassTally(), rows)
    assert (classes.classified, classes.mean_confidence) == (0, None)
    assert add_all(SizeTally(), rows).most_frequent() == []
    assert add_all(TimeTally(), rows).mean_steps_ms["read_ms"] == 0
