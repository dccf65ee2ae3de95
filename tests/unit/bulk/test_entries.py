"""Entries, shards, and the digest of a list."""

from topfive.bulk.inputs.entries import Entry, InputDigest, divide

ENTRIES = [Entry(f"{number}.jpg".encode(), number, "t") for number in range(7)]


def digest(entries: list[Entry]) -> str:
    """Tell the digest of a list."""
    one = InputDigest()
    for entry in entries:
        one.add(entry)
    return one.hexdigest()


def test_shards_hold_every_picture_once_and_in_order() -> None:
    """Shards are numbered, know where they begin, and together are the list."""
    shards = list(divide(ENTRIES, 3))
    assert [(one.number, one.first_index) for one in shards] == [(0, 0), (1, 3), (2, 6)]
    assert [entry for one in shards for entry in one.entries] == ENTRIES


def test_no_pictures_are_no_shards() -> None:
    """An empty list has no shard."""
    assert list(divide([], 3)) == []


def test_any_change_of_a_list_changes_its_digest() -> None:
    """A picture more, another order, size or stamp: each is another list."""
    others = [
        ENTRIES[:-1],
        ENTRIES[::-1],
        [*ENTRIES[:-1], Entry(b"6.jpg", 7, "t")],
        [*ENTRIES[:-1], Entry(b"6.jpg", 6, "u")],
    ]
    assert len({digest(one) for one in [ENTRIES, *others]}) == 5


def test_names_cannot_run_into_each_other() -> None:
    """Names with line breaks or of other lengths never make the same digest."""
    assert digest([Entry(b"a"), Entry(b"b")]) != digest([Entry(b"a\nb")])
