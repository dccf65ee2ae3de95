"""What has changed in a list of pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.results.changes import ListChanges, count_changes, refuse_other_list

NAMES = st.dictionaries(st.binary(min_size=1, max_size=2), st.integers(0, 2), max_size=20)


@given(NAMES, NAMES)
def test_changes_are_counted(before: dict[bytes, int], now: dict[bytes, int]) -> None:
    """As two dictionaries of names and sizes would tell them."""

    def listed(sizes: dict[bytes, int]) -> list[Entry]:
        return [Entry(name, size) for name, size in sorted(sizes.items())]

    both = before.keys() & now.keys()
    assert count_changes(listed(before), listed(now)) == ListChanges(
        added=len(now.keys() - both),
        gone=len(before.keys() - both),
        changed=sum(before[name] != now[name] for name in both),
    )


def test_order_is_no_change_of_a_picture_and_doubles_count() -> None:
    """A list may name a picture twice, and have any order."""
    one, two = Entry(b"1", 1), Entry(b"2", 2)
    assert count_changes([one, two, one], [two, one, one]) == ListChanges()
    assert count_changes([one, two, one], [two, one]) == ListChanges(gone=1)
    assert count_changes([], [two, two]) == ListChanges(added=2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (ListChanges(1, 0, 2), "began with: 1 added, 2 changed. Restore"),
        (ListChanges(0, 12_345, 0), "12,345 gone"),
        (ListChanges(), "their order is another"),
    ],
)
def test_another_list_is_told_by_counts(changes: ListChanges, told: str) -> None:
    """How many pictures are new, gone and changed."""
    assert told in str(refuse_other_list("results", changes))
