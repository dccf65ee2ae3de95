"""Which photos a model is evaluated on."""

import pytest

from tests.unit.bundle_copies import copy_bundle, replace_file
from tests.unit.evaluation.answer_sets import photo
from topfive.bundles.store import open_bundle
from topfive.datasets.dataset import LabelledPhoto
from topfive.errors import DatasetRefused
from topfive.evaluation.photos import choose_photos, count_seen, read_split, share_classes

PHOTOS = tuple(photo(number, number % 3) for number in range(6))
SPLIT = {
    PHOTOS[0].sha256: "train",
    PHOTOS[1].sha256: "validation",
    PHOTOS[2].sha256: "held_out",
}


def numbers(photos):
    """Tell the numbers of photos."""
    return [int(one.path.stem) for one in photos]


@pytest.mark.parametrize(
    ("part", "chosen"),
    [
        ("unseen", [2, 3, 4, 5]),
        ("held_out", [2]),
        ("validation", [1]),
        ("train", [0]),
        ("all", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_bundle_knows_its_photos_by_their_bytes(part, chosen):
    """What it was trained on or chosen by is left out, unless it is asked for."""
    assert numbers(choose_photos(PHOTOS, part, [SPLIT])) == chosen


def test_of_two_models_neither_may_have_seen_a_photo():
    """A photo that the other model was trained on is left out too."""
    other = {PHOTOS[3].sha256: "train", PHOTOS[2].sha256: "held_out"}
    assert numbers(choose_photos(PHOTOS, "unseen", [SPLIT, other])) == [2, 4, 5]


def test_photos_that_a_model_has_seen_are_counted():
    """Each counts once, whichever of the two models was trained on it or chosen by it."""
    other = {PHOTOS[3].sha256: "train", PHOTOS[0].sha256: "validation"}
    assert count_seen(PHOTOS, [SPLIT, other]) == 3
    assert count_seen(PHOTOS[4:], [SPLIT, other]) == 0


def test_a_bundle_without_a_split_goes_by_the_dataset():
    """Where a table says what its photos are for, `held_out` means those."""
    named = (LabelledPhoto(PHOTOS[0].path, 0, PHOTOS[0].sha256, "held_out"), PHOTOS[1])
    assert choose_photos(named, "held_out", [{}]) == named[:1]
    assert choose_photos(named, "unseen", [{}]) == named


@pytest.mark.parametrize(
    ("part", "split", "told"),
    [
        ("unseen", {one.sha256: "train" for one in PHOTOS}, "--part all"),
        ("held_out", {}, "no split.csv"),
        ("held_out", {PHOTOS[0].sha256: "train"}, "None of the 6 photos"),
    ],
)
def test_no_photo_left_is_an_error_that_says_why(part, split, told):
    """Nothing is measured on nothing."""
    with pytest.raises(DatasetRefused, match=told):
        choose_photos(PHOTOS, part, [split])


def test_two_models_with_the_same_classes_share_all_photos():
    """Nothing changes where the classes are the same."""
    labels = ("a", "b", "c")
    assert share_classes(PHOTOS, labels, labels) == (PHOTOS, PHOTOS)


def test_photos_of_shared_classes_get_each_models_ids():
    """Classes are known by name; photos of a class that one lacks are left out."""
    first, second = share_classes(PHOTOS, ("a", "b", "c"), ("new", "c", "a"))
    assert numbers(first) == numbers(second) == [0, 2, 3, 5]
    assert [one.class_id for one in first] == [0, 2, 0, 2]
    assert [one.class_id for one in second] == [2, 1, 2, 1]


def test_classes_of_one_name_are_told_apart_by_their_order():
    """The second crane of one model is the second crane of the other."""
    first, second = share_classes(PHOTOS, ("crane", "crane", "c"), ("x", "crane", "crane"))
    assert [one.class_id for one in first] == [0, 1, 0, 1]
    assert [one.class_id for one in second] == [1, 2, 1, 2]


def test_models_without_a_class_in_common_cannot_be_compared():
    """Such models are refused."""
    with pytest.raises(DatasetRefused, match="both models"):
        share_classes(PHOTOS, ("a", "b", "c"), ("x", "y"))


def test_the_split_is_read_from_the_bundle(tiny_folder, tmp_path):
    """A bundle that was trained here says which photo was for what; others say nothing."""
    folder = copy_bundle(tiny_folder, tmp_path / "trained")
    text = f"sha256,class_id,part,class_name\n{PHOTOS[0].sha256},0,train,class 0\n"
    replace_file(folder, "split.csv", text.encode())
    assert read_split(open_bundle(folder)) == {PHOTOS[0].sha256: "train"}
    assert read_split(open_bundle(tiny_folder)) == {}
