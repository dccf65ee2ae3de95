"""The confusion matrix as a table that fits on a page: the worst classes, and all others."""

from collections import Counter
from typing import NamedTuple

from topfive.evaluation.metrics import Metrics

MOST_CLASSES = 20
_OTHERS = "all others"


class Cell(NamedTuple):
    """How many photos, and which share they are of their true class.

    `kind` is `right`, `wrong`, or `mixed` where other classes than those shown stand together.
    """

    photos: int
    share: float
    kind: str


class Row(NamedTuple):
    """What the photos of one class were taken for, in the order of the table's names."""

    name: str
    photos: int
    cells: list[Cell]


class ConfusionTable(NamedTuple):
    """Rows by true class, columns by answered class; the last may stand for all others."""

    names: list[str]
    rows: list[Row]


class ConfusedPair(NamedTuple):
    """How many photos of one class were taken for another."""

    truth: str
    prediction: str
    photos: int
    of: int


def tabulate_confusions(metrics: Metrics) -> ConfusionTable:
    """Lay out a confusion matrix of at most 20 classes and all others."""
    shown = _most_confused(metrics)
    columns = {class_id: place for place, class_id in enumerate(shown)}
    others = len(shown)
    names = {one.class_id: one.class_name for one in metrics.classes}
    headings = [names[one] for one in shown] + [_OTHERS] * (others < len(names))
    counts = [[0] * len(headings) for _ in headings]
    for one in metrics.confusions:
        counts[columns.get(one.truth, others)][columns.get(one.prediction, others)] += one.count
    rows = [_row(place, headings, row) for place, row in enumerate(counts) if any(row)]
    return ConfusionTable(headings, rows)


def list_confused_pairs(metrics: Metrics, most: int) -> list[ConfusedPair]:
    """List the pairs of classes that were taken for each other most often."""
    known = {one.class_id: one for one in metrics.classes}
    wrong = [one for one in metrics.confusions if one.truth != one.prediction]
    wrong.sort(key=lambda one: (-one.count, one.truth, one.prediction))
    return [
        ConfusedPair(
            known[one.truth].class_name,
            known[one.prediction].class_name,
            one.count,
            known[one.truth].count,
        )
        for one in wrong[:most]
    ]


def _most_confused(metrics: Metrics) -> list[int]:
    """List the classes to show, by their ids: all, or those with the most mistakes."""
    ids = [one.class_id for one in metrics.classes]
    if len(ids) <= MOST_CLASSES:
        return ids
    mistakes: Counter[int] = Counter()
    for one in metrics.confusions:
        if one.truth != one.prediction:
            mistakes.update({one.truth: one.count, one.prediction: one.count})
    return sorted(sorted(ids, key=lambda one: (-mistakes[one], one))[:MOST_CLASSES])


def _row(place: int, headings: list[str], counts: list[int]) -> Row:
    total = sum(counts)
    own = "right" if headings[place] != _OTHERS else "mixed"
    cells = [
        Cell(count, count / total, own if column == place else "wrong")
        for column, count in enumerate(counts)
    ]
    return Row(headings[place], total, cells)
