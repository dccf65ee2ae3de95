"""Two versions are compared on photos that neither has learned from, of classes that both have."""

from pathlib import Path

import pytest

from tests.unit.bundle_copies import copy_bundle, replace_file
from topfive.bundles.store import Bundle, open_bundle
from topfive.datasets.dataset import LabelledPhoto
from topfive.errors import DatasetRefused
from topfive.training.retraining.comparing import (
    choose_comparable,
    count_needed,
    take_unseen,
)


def _photos(*class_ids: int) -> tuple[LabelledPhoto, ...]:
    return tuple(
        LabelledPhoto(Path(str(number)), class_id, f"photo{number}")
        for number, class_id in enumerate(class_ids)
    )


@pytest.fixture
def baseline(tiny_folder, tmp_path) -> Bundle:
    """A version that was measured on photos 0, 1 and 9, and has learned from 2 and 3."""
    folder = copy_bundle(tiny_folder, tmp_path / "tiny" / "1")
    lines = ["sha256,class_id,part"]
    lines += [f"photo{number},0,held_out" for number in (0, 1, 9)]
    lines += ["photo2,0,train", "photo3,0,validation"]
    replace_file(folder, "split.csv", "\n".join(lines).encode())
    return open_bundle(folder)


def test_what_it_has_learned_from_and_what_it_does_not_know_is_left_out(baseline):
    """New photos count as those held out do, and how many were left out is told."""
    new = len(baseline.labels)
    comparable = choose_comparable(_photos(0, 1, 0, 0, 1, new), (*baseline.labels, "new"), baseline)
    assert [one.sha256 for one in comparable.photos] == ["photo0", "photo1", "photo4"]
    assert (comparable.former, comparable.former_here) == (3, 2)
    assert (comparable.of_new_classes, comparable.learned) == (1, 2)


def test_photos_get_the_class_ids_of_the_baseline(baseline):
    """Its classes may stand in another order, and are known by their names."""
    turned = tuple(reversed(baseline.labels))
    comparable = choose_comparable(_photos(0), turned, baseline)
    assert comparable.photos[0].class_id == len(turned) - 1


@pytest.mark.parametrize(
    ("photos", "classes", "said"),
    [
        (_photos(0, 0, 0, 0)[2:], None, "All photos to compare with tiny@1 on were learned from"),
        (_photos(0), ("other",), "No photo is of a class that both models have"),
    ],
)
def test_where_nothing_can_be_compared_on_the_reason_is_told(baseline, photos, classes, said):
    """Photos that were seen are no measure, nor are those of classes that one does not have."""
    with pytest.raises(DatasetRefused, match=said):
        choose_comparable(photos, classes or baseline.labels, baseline)


def test_what_a_version_was_chosen_by_it_has_seen():
    """Only what was held out, or is new, says how good it is."""
    parts = {"photo0": "train", "photo1": "validation", "photo2": "held_out"}
    assert [one.sha256 for one in take_unseen(_photos(0, 0, 0, 0), parts)] == ["photo2", "photo3"]


def test_six_photos_show_at_the_least_that_a_version_is_better():
    """By McNemar's exact test: half to the power of six, twice, is 0.03."""
    assert count_needed() == 6
