"""The shipped model and the pictures that it is made of."""

import subprocess
import sys
from pathlib import Path

import pytest

from topfive.bundles.store import demo_root, open_bundle
from topfive.classify.loading import load_classifier
from topfive.datasets.reading import read_dataset
from topfive.engines import EngineOptions
from topfive.evaluation.answers import classify_photos
from topfive.evaluation.metrics import measure
from topfive.images.limits import ImageLimits

ROOT = Path(__file__).parents[2]
SHIPPED = demo_root() / "digits" / "1"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The pictures that docs/draw_digits.py draws."""
    folder = tmp_path_factory.mktemp("digits")
    script = ROOT / "docs" / "draw_digits.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def dataset(drawn):
    """They, read."""
    return read_dataset(drawn / "labels.csv")


def test_the_pictures_are_those_that_the_shipped_model_was_trained_on(drawn, dataset):
    """What `make digits` draws has the digest in the bundle, and all samples are among it."""
    bundle = open_bundle(SHIPPED)
    assert dataset.notes == ()
    assert dataset.classes == bundle.labels
    assert bundle.manifest.training is not None
    assert dataset.sha256 == bundle.manifest.training.data_sha256
    for sample in SHIPPED.glob("sample-*.png"):
        name = sample.name.removeprefix("sample-")
        assert sample.read_bytes() == (drawn / "samples" / name).read_bytes()


def test_held_out_digits_are_read_as_well_as_the_bundle_says(dataset):
    """The accuracy in the manifest is measured again, through the pipeline that serves."""
    bundle = open_bundle(SHIPPED)
    options = EngineOptions("openvino", "f32")
    held_out = [one for one in dataset.photos if one.part == "held_out"]
    classifier = load_classifier(bundle, options, ImageLimits(), frozenset())
    try:
        answers = classify_photos(classifier, held_out)
    finally:
        classifier.close()
    found = measure(answers, bundle.labels).summary()
    expected = bundle.manifest.metrics["held_out_top1"]
    assert found["held_out_top1"] == pytest.approx(expected, abs=0.003)
