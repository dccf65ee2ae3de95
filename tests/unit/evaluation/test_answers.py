"""Labelled photos through the pipeline that serves."""

import hashlib

import numpy as np
import pytest

from tests import pictures
from topfive.classify.loading import load_classifier
from topfive.datasets.dataset import LabelledPhoto
from topfive.engines import EngineOptions
from topfive.errors import DatasetRefused
from topfive.evaluation.answers import classify_photos
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    """The tiny bundle in OpenVINO, for small files alone."""
    limits = ImageLimits(max_bytes=100_000)
    loaded = load_classifier(tiny_bundle, EngineOptions("openvino", "f32"), limits, frozenset())
    yield loaded
    loaded.close()


def saved(folder, name, data, class_id=0):
    """Write a photo's file and label it."""
    path = folder / name
    path.write_bytes(data)
    return LabelledPhoto(path, class_id, hashlib.sha256(data).hexdigest())


def test_an_answer_is_what_the_service_would_say(classifier, tmp_path):
    """Of a turned JPEG and a PNG, all probabilities equal those of `classify`."""
    photos = [
        saved(tmp_path, "a.jpg", pictures.rotated_jpeg(6), 3),
        saved(tmp_path, "b.png", pictures.png(), 1),
    ]
    answers = classify_photos(classifier, photos)
    assert answers.truths.tolist() == [3, 1]
    assert answers.photos == tuple(photos)
    for place, photo in enumerate(photos):
        served = classifier.classify(
            sniff(photo.path.read_bytes(), classifier.limits), top_k=10
        ).classes
        expected = {one.class_id: one.confidence for one in served}
        assert dict(enumerate(answers.probabilities[place].tolist())) == expected


def test_every_answer_has_its_times(classifier, tmp_path):
    """Inference is a part of all that is done to a photo's bytes."""
    answers = classify_photos(classifier, [saved(tmp_path, "a.png", pictures.png())] * 3)
    assert answers.total_ms.shape == (3,)
    assert np.all(answers.total_ms >= answers.inference_ms)
    assert np.all(answers.inference_ms > 0)


def test_a_photo_that_is_refused_is_told_and_the_others_go_on(classifier, tmp_path):
    """Text, too large a file and one that is gone each have their reason."""
    photos = [
        saved(tmp_path, "text.png", b"no picture"),
        saved(tmp_path, "large.png", b"\x89PNG\r\n\x1a\n" + bytes(200_000)),
        LabelledPhoto(tmp_path / "gone.png", 0, "0" * 64),
        saved(tmp_path, "good.png", pictures.png()),
    ]
    done = []
    answers = classify_photos(classifier, photos, done.append)
    assert done == [1, 2, 3, 4]
    assert answers.photos == (photos[3],)
    assert [(one.photo, word in one.reason) for one, word in zip(
        answers.failures, ("format", "larger than", "No such file"), strict=True)
    ] == [(photo, True) for photo in photos[:3]]  # fmt: skip


def test_no_answer_at_all_is_an_error_that_names_the_first_photo(classifier, tmp_path):
    """Where nothing could be classified there is nothing to measure."""
    with pytest.raises(DatasetRefused, match=r"None of the 1 photos .*text\.png: The format"):
        classify_photos(classifier, [saved(tmp_path, "text.png", b"no picture")])


def test_no_photos_are_an_error(classifier):
    """Nothing to classify is said as such."""
    with pytest.raises(DatasetRefused, match="no photos"):
        classify_photos(classifier, [])
