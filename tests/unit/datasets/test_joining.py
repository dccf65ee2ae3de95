"""Photos of several places are one dataset."""

from pathlib import Path

import pytest

from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.joining import join_datasets
from topfive.errors import DatasetRefused


def _photo(name: str, class_id: int = 0, sha256: str = "", part=None) -> LabelledPhoto:
    return LabelledPhoto(Path(name), class_id, sha256 or name, part)


def test_all_photos_and_notes_are_kept_in_order():
    """The last one's classes are those of all."""
    first = Dataset(("a", "b"), (_photo("1"), _photo("2", 1)), ("one", "both"))
    second = Dataset(("a", "b", "c"), (_photo("3", 2),), ("both",))
    joined = join_datasets([first, second])
    assert joined.classes == ("a", "b", "c")
    assert [str(one.path) for one in joined.photos] == ["1", "2", "3"]
    assert joined.notes == ("one", "both")


@pytest.mark.parametrize("parts", [("held_out", None), (None, "held_out")])
def test_the_same_picture_counts_once_and_its_part_holds(parts):
    """It does not matter which of the two says what it is for."""
    datasets = [
        Dataset(("a",), (_photo(str(number), 0, "same", part),))
        for number, part in enumerate(parts)
    ]
    (photo,) = join_datasets(datasets).photos
    assert (str(photo.path), photo.part) == ("0", "held_out")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (_photo("2", 1, "same"), "2 is the same picture as 1, in the classes 'a' and 'b'"),
        (
            _photo("2", 0, "same", "validation"),
            "2 is the same picture as 1, in train and validation",
        ),
    ],
)
def test_what_contradicts_itself_is_told_with_both_files(other, said):
    """Neither place is right by itself."""
    datasets = [Dataset(("a", "b"), (one,)) for one in (_photo("1", 0, "same", "train"), other)]
    with pytest.raises(DatasetRefused, match=said):
        join_datasets(datasets)
