"""The pictures to try a model with: the bundle's own, or those drawn for ImageNet's classes."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from topfive.bundles.samples import samples_of
from topfive.bundles.store import demo_root, open_bundle

# Where torchvision's list of ImageNet's names has the three that are drawn.
IMAGENET = {417: "balloon", 607: "jack-o'-lantern", 805: "soccer ball"}
NAMES = tuple(IMAGENET.get(number, f"class {number}") for number in range(1000))


def test_a_bundles_own_samples_come_first():
    """What the bundle's manifest vouches for is offered, in the order of the files' names."""
    (folder,) = (demo_root() / "digits").iterdir()
    bundle = open_bundle(folder)
    for labels in (bundle.labels, NAMES):
        samples = samples_of(replace(bundle, labels=labels))
        assert [one.name for one in samples] == ["eight", "five", "three", "zero"]
        assert {one.media_type for one in samples} == {"image/png"}
        assert {one.file.parent for one in samples} == {folder}


def test_a_model_with_imagenets_classes_gets_three_drawings(tiny_bundle):
    """By its classes, not by its name: each is a small square JPEG."""
    samples = samples_of(replace(tiny_bundle, labels=NAMES))
    assert [one.name for one in samples] == ["balloon", "soccer ball", "jack o lantern"]
    for sample in samples:
        content = sample.file.read_bytes()
        assert sample.media_type == "image/jpeg"
        assert len(content) <= 60_000
        picture = Image.open(io.BytesIO(content))
        assert (picture.format, picture.size) == ("JPEG", (480, 480))


@pytest.mark.parametrize(
    "labels",
    [
        tuple(f"class {number}" for number in range(1000)),
        (*NAMES[:417], "baloon", *NAMES[418:]),
        NAMES[:999],
        (*NAMES, "another"),
        NAMES[::-1],
        ("cat", "dog", "bird"),
    ],
    ids=["other-thousand", "one-renamed", "one-less", "one-more", "reversed", "three"],
)
def test_a_model_with_other_classes_gets_none(tiny_bundle, labels):
    """A picture that the model has no name for is not offered."""
    assert samples_of(replace(tiny_bundle, labels=labels)) == ()
