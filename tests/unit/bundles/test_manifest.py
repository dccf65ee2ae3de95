"""What a manifest may say."""

import json

import pytest

from topfive.bundles.manifest import parse_manifest
from topfive.errors import BundleRefused

GOOD = {
    "name": "birds",
    "version": "2026-01",
    "architecture": "mobilenet_v2",
    "classes": 3,
    "input": {"resize": 72, "crop": 64, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    "source": "local:somewhere",
    "created": "2026-01-02T03:04:05+00:00",
    "files": {"labels.txt": "a" * 64},
    "golden": {"top_five": [{"class_id": 1, "confidence": 0.5}]},
}
HEATMAP = {"output": "features", "offset_bytes": 4096, "dtype": "f16", "channels": 1280}


def _parse(**changes):
    return parse_manifest(json.dumps(GOOD | changes), "bundle.json")


def test_a_good_manifest_is_read():
    """What is not said has its default, what is not known is passed over."""
    manifest = _parse(invented_later=True)
    assert manifest.layout == 1
    assert manifest.input.interpolation == "bilinear"
    assert manifest.golden.top_five[0].class_id == 1
    assert not hasattr(manifest, "invented_later")


def test_every_problem_is_listed_at_once():
    """The message names each field that is wrong, and the file."""
    broken = {key: value for key, value in GOOD.items() if key != "source"} | {
        "name": "../../etc",
        "classes": 0,
        "input": GOOD["input"] | {"std": [0.2, 0, 0.2], "interpolation": "lanczos"},
        "files": {"labels.txt": "not a hash"},
    }
    with pytest.raises(BundleRefused) as refusal:
        parse_manifest(json.dumps(broken), "here/bundle.json")
    message = str(refusal.value)
    assert message.startswith("here/bundle.json is not a bundle manifest: ")
    for place in ("name", "classes", "input.std", "input.interpolation", "files.labels.txt"):
        assert f"{place}: " in message
    assert "source: Field required" in message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff\xfe\x00"])
def test_what_is_no_manifest_is_refused(text):
    """Text that is not JSON, or not an object, is refused."""
    with pytest.raises(BundleRefused, match="not a bundle manifest"):
        parse_manifest(text, "bundle.json")


def test_the_second_layout_may_have_a_heatmap():
    """It says what heatmaps are made from: an output, and where the weights lie."""
    manifest = _parse(layout=2, heatmap=HEATMAP)
    assert manifest.heatmap.model_dump() == HEATMAP
    assert _parse(layout=2).heatmap is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("output", ""), ("offset_bytes", -1), ("offset_bytes", 1.5), ("dtype", "f64"),
     ("dtype", "object"), ("channels", 0), ("channels", None)],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused(name, value):
    """Weights lie neither before the file nor in numbers of another kind."""
    with pytest.raises(BundleRefused, match=f"heatmap.{name}: "):
        _parse(layout=2, heatmap=HEATMAP | {name: value})


@pytest.mark.parametrize("layout", [0, 3, "1.5"])
def test_another_layout_is_refused(layout):
    """A bundle of a later layout is not guessed at."""
    with pytest.raises(BundleRefused, match="layout"):
        _parse(layout=layout)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "A", "a" * 65, "a\n", "a b"])
def test_a_name_is_a_plain_word(name):
    """Names and versions can never be paths."""
    for field in ("name", "version"):
        with pytest.raises(BundleRefused, match=field):
            _parse(**{field: name})


@pytest.mark.parametrize("top_five", [[], [{"class_id": 0, "confidence": 0.1}] * 6])
def test_a_golden_answer_has_one_to_five_classes(top_five):
    """A reference that says nothing could be agreed with by anyone."""
    with pytest.raises(BundleRefused, match="top_five"):
        _parse(golden={"top_five": top_five})


@pytest.mark.parametrize("bad", [{"class_id": -1}, {"confidence": 1.5}, {"confidence": -0.1}])
def test_a_golden_class_makes_sense(bad):
    """Class numbers are not negative, and confidences lie from 0 to 1."""
    with pytest.raises(BundleRefused, match="golden"):
        _parse(golden={"top_five": [{"class_id": 0, "confidence": 0.5} | bad]})
