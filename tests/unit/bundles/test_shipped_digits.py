"""The model inside the package: what it says of itself, and how it reads its samples."""

import tomllib
from pathlib import Path

import pytest

from topfive.bundles.store import demo_root, open_bundle
from topfive.classify.loading import load_classifier
from topfive.datasets.split import parse_split
from topfive.engines import EngineOptions
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

LIMITS = ImageLimits()
SHIPPED = demo_root() / "digits" / "1"
RECIPE = Path(__file__).parents[3] / "docs" / "digits.toml"


@pytest.fixture(scope="module")
def classifier():
    """The shipped model in f32."""
    loaded = load_classifier(
        open_bundle(SHIPPED), EngineOptions("openvino", "f32"), LIMITS, frozenset()
    )
    yield loaded
    loaded.close()


def test_its_samples_are_read_as_they_are_called(classifier):
    """Each sample picture gets its own name as the best class."""
    samples = sorted(SHIPPED.glob("sample-*.png"))
    best = [
        classifier.classify(sniff(one.read_bytes(), LIMITS), 1).classes[0].class_name
        for one in samples
    ]
    assert [f"sample-{name}" for name in best] == [one.stem for one in samples]
    assert len(samples) == 4


def test_it_was_trained_by_the_recipe_that_is_kept():
    """`make digits` makes this model again: the bundle's recipe is that of docs/digits.toml."""
    training = open_bundle(SHIPPED).manifest.training
    given = tomllib.loads(RECIPE.read_text("utf-8"))
    assert training is not None
    for name, value in given.items():
        kept = training.recipe[name]
        assert (kept | value if isinstance(value, dict) else value) == kept


def test_it_says_how_good_it_is_and_on_what():
    """Of 720 held-out pictures, none of which it has learned from, nearly all are read right."""
    manifest = open_bundle(SHIPPED).manifest
    parts = list(parse_split((SHIPPED / "split.csv").read_text("utf-8")).values())
    assert parts.count("held_out") == manifest.metrics["held_out_count"] == 720
    assert manifest.metrics["held_out_top1"] >= 0.9958
    assert manifest.calibration is not None
