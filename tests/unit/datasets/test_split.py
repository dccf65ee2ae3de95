"""Which photos are in which part: by class, by digest, and as before."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.split import Shares, Split, format_split, parse_split, split_dataset
from topfive.errors import DatasetRefused

SHARES = Shares(validation=0.15, held_out=0.15)


def _dataset(*counts: int, part=None) -> Dataset:
    photos = tuple(
        LabelledPhoto(
            Path(f"{class_id}-{number}.png"),
            class_id,
            hashlib.sha256(f"{class_id} {number}".encode()).hexdigest(),
            part(number) if part else None,
        )
        for class_id, count in enumerate(counts)
        for number in range(count)
    )
    return Dataset(tuple(f"class {number}" for number in range(len(counts))), photos)


def _parts(split: Split) -> dict[str, str]:
    return {
        one.sha256: part
        for part in ("train", "validation", "held_out")
        for one in getattr(split, part)
    }


def _count(photos, class_id: int) -> int:
    return sum(one.class_id == class_id for one in photos)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(3, 60), min_size=1, max_size=4), st.integers(0, 5))
def test_every_class_is_in_every_part_by_its_share(counts, seed):
    """Each photo is in one part; a part has its share of a class, but for a fifth or one photo."""
    dataset = _dataset(*counts)
    split = split_dataset(dataset, SHARES, seed)
    assert sum(split.counts.values()) == len(dataset.photos)
    assert len(_parts(split)) == len(dataset.photos)
    for class_id, count in enumerate(counts):
        for part in (split.validation, split.held_out):
            expected = round(0.15 * count)
            slack = max(1, expected // 5)
            assert max(1, expected - slack) <= _count(part, class_id) <= max(1, expected + slack)
        assert _count(split.train, class_id) >= 1


def test_the_seed_decides_and_the_order_does_not():
    """The same photos in another order are split alike; another seed splits them otherwise."""
    dataset = _dataset(40, 40)
    reversed_one = Dataset(dataset.classes, dataset.photos[::-1])
    parts = _parts(split_dataset(dataset, SHARES, 1))
    assert _parts(split_dataset(reversed_one, SHARES, 1)) == parts
    assert _parts(split_dataset(dataset, SHARES, 2)) != parts


def test_adding_photos_hardly_moves_others():
    """A hundred photos more in a class of a thousand move none; one more moves at most three."""
    before, after = (_parts(split_dataset(_dataset(n), SHARES, 0)) for n in (1000, 1100))
    assert all(after[sha256] == part for sha256, part in before.items())
    for count in range(3, 60):
        one, more = (_parts(split_dataset(_dataset(n), SHARES, 0)) for n in (count, count + 1))
        assert sum(more[sha256] != part for sha256, part in one.items()) <= 3


def test_a_former_part_wins():
    """A photo that was held out before is held out again, whatever the seed and the table say."""
    dataset = _dataset(20, part=lambda number: "train" if number < 10 else None)
    former = {dataset.photos[0].sha256: "held_out", dataset.photos[15].sha256: "validation"}
    for seed in range(5):
        parts = _parts(split_dataset(dataset, SHARES, seed, former))
        assert parts[dataset.photos[0].sha256] == "held_out"
        assert parts[dataset.photos[15].sha256] == "validation"


def test_parts_that_the_dataset_names_get_no_other_photos():
    """A test set stays as it was made; what to choose by is drawn from what is to learn from."""
    names = ["train"] * 10 + ["held_out"] * 4
    split = split_dataset(_dataset(14, 14, part=lambda number: names[number]), SHARES, 0)
    assert split.counts["held_out"] == 8
    assert all(one.part == "held_out" for one in split.held_out)
    assert 2 <= split.counts["validation"] <= 6
    assert all(one.part == "train" for one in split.validation)


def test_a_dataset_that_names_all_parts_is_left_as_it_is():
    """Three parts for each class, as the table says."""
    names = ["train"] * 10 + ["held_out"] * 4 + ["validation"]
    split = split_dataset(_dataset(15, 15, part=lambda number: names[number]), SHARES, 0)
    assert split.counts == {"train": 20, "validation": 2, "held_out": 8}


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_with_too_few_photos_is_refused(count):
    """One photo cannot be learned from and measured on: the class and its count are named."""
    with pytest.raises(DatasetRefused, match=rf"needs 3.*It lacks them in 'class 1' \({count}\)"):
        split_dataset(_dataset(9, count), SHARES, 0)


def test_without_shares_everything_is_learned_from():
    """Who has measured elsewhere needs no held-out photos, and one photo is enough."""
    split = split_dataset(_dataset(1, 5), Shares(validation=0, held_out=0), 0)
    assert split.counts == {"train": 6, "validation": 0, "held_out": 0}


@pytest.mark.parametrize(("validation", "held_out"), [(0.5, 0.5), (-0.1, 0.2)])
def test_shares_that_leave_nothing_to_learn_from_are_refused(validation, held_out):
    """Shares are from 0 on, and together less than 1."""
    with pytest.raises(ValueError, match="leave nothing to learn from"):
        Shares(validation, held_out)


def test_a_split_is_written_without_file_names_and_read_back():
    """A bundle keeps which picture was for what: by digest, also with commas in class names."""
    dataset = Dataset(("roses, red", "🌷"), _dataset(5, 5).photos)
    split = split_dataset(dataset, SHARES, 0)
    text = format_split(split, dataset.classes)
    assert text.splitlines()[0] == "sha256,class_id,part,class_name"
    assert ".png" not in text
    assert '"roses, red"' in text
    assert parse_split(text) == _parts(split)


def test_a_split_that_is_damaged_is_refused():
    """A line without a part that is known is named by its number."""
    with pytest.raises(DatasetRefused, match="Line 2 of the split"):
        parse_split("sha256,class_id,part\nabc,0,later\n")
