"""Which photos a model is calibrated on, and on which it is measured."""

from pathlib import Path

import pytest

from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.errors import DatasetRefused
from topfive.training.quantization.division import divide_photos


def _photos(count: int, part=None, first: int = 0) -> tuple[LabelledPhoto, ...]:
    return tuple(
        LabelledPhoto(Path(f"{number}.png"), number % 2, f"{number:064x}", part)
        for number in range(first, first + count)
    )


def _dataset(*photos: LabelledPhoto) -> Dataset:
    return Dataset(("a", "b"), photos)


def test_a_third_calibrates_and_the_others_measure():
    """Every photo does one or the other, and the same ones do it whatever their order is."""
    photos = _photos(30)
    first = divide_photos(_dataset(*photos), {}, 300)
    assert (len(first.calibration), len(first.held_out)) == (10, 20)
    assert {*first.calibration, *first.held_out} == set(photos)
    assert divide_photos(_dataset(*reversed(photos)), {}, 300) == first


def test_no_more_calibrate_than_are_wanted():
    """The others measure."""
    found = divide_photos(_dataset(*_photos(30)), {}, 4)
    assert (len(found.calibration), len(found.held_out)) == (4, 26)


def test_what_was_learned_calibrates_and_what_was_held_out_measures():
    """By what the bundle's split says, and where that is silent by what the dataset says."""
    photos = (*_photos(6), *_photos(3, "held_out", 6), *_photos(2, "train", 9))
    former = {one.sha256: "train" for one in photos[:4]}
    former |= {photos[4].sha256: "validation", photos[5].sha256: "held_out"}
    found = divide_photos(_dataset(*photos), former, 300)
    assert set(found.calibration) == {*photos[:5], *photos[9:]}
    assert set(found.held_out) == {photos[5], *photos[6:9]}


def test_what_was_learned_never_measures():
    """Of more than are wanted to calibrate, the rest does nothing."""
    former = {one.sha256: "train" for one in _photos(20)}
    found = divide_photos(_dataset(*_photos(23)), former, 5)
    assert len(found.calibration) == 5
    assert set(found.held_out) == set(_photos(3, first=20))


def test_too_few_photos_are_told():
    """With nothing to measure on, or nothing to calibrate on, it says what to give."""
    learned = {one.sha256: "train" for one in _photos(3)}
    with pytest.raises(DatasetRefused, match=r"All 3 photos .* held-out part"):
        divide_photos(_dataset(*_photos(3)), learned, 300)
    with pytest.raises(DatasetRefused, match=r"None of the 1 photos can be calibrated on"):
        divide_photos(_dataset(*_photos(1)), {}, 300)
    with pytest.raises(DatasetRefused, match=r"None of the 3 photos can be calibrated on"):
        divide_photos(_dataset(*_photos(3, "held_out")), {}, 300)
