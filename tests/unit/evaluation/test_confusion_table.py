"""The confusion matrix as it is shown."""

from tests.unit.evaluation.answer_sets import answer
from topfive.evaluation.confusion_table import list_confused_pairs, tabulate_confusions
from topfive.evaluation.metrics import measure


def test_few_classes_are_shown_all():
    """Each row has the photos of a class and their shares; right ones are on the diagonal."""
    metrics = measure(answer([0, 0, 0, 1], [0, 0, 1, 1]), ("cat", "dog", "emu"))
    table = tabulate_confusions(metrics)
    assert table.names == ["cat", "dog"]
    assert [(row.name, row.photos) for row in table.rows] == [("cat", 3), ("dog", 1)]
    assert [(cell.photos, cell.kind) for cell in table.rows[0].cells] == [
        (2, "right"),
        (1, "wrong"),
    ]
    assert table.rows[0].cells[1].share == 1 / 3


def test_of_many_classes_the_worst_are_shown_and_the_others_together():
    """No photo is lost: those of all other classes stand in one row and one column."""
    truths = [*range(30), 3, 3, 7]
    said = [*range(30), 8, 8, 29]
    metrics = measure(answer(truths, said, classes=30), tuple(f"c{one}" for one in range(30)))
    table = tabulate_confusions(metrics)
    assert len(table.names) == 21
    assert table.names[-1] == "all others"
    assert {"c3", "c7", "c8", "c29"} <= set(table.names)
    assert sum(cell.photos for row in table.rows for cell in row.cells) == 33
    assert table.rows[-1].cells[-1].kind == "mixed"


def test_pairs_that_are_confused_most_come_first():
    """Each says how many of how many photos."""
    metrics = measure(answer([0, 0, 0, 1, 2], [1, 1, 2, 0, 2]), ("cat", "dog", "emu"))
    assert list_confused_pairs(metrics, 2) == [("cat", "dog", 2, 3), ("cat", "emu", 1, 3)]
    assert len(list_confused_pairs(metrics, 9)) == 3
