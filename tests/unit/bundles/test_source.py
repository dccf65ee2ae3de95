"""How a bundle names where its weights came from, and what a model of one's own is called."""

import hashlib

import pytest

from topfive.bundles import source
from topfive.bundles.manifest import check_name
from topfive.bundles.official import OFFICIAL_NAMES
from topfive.bundles.source import (
    check_weights,
    content_version,
    derive_name,
    given_source,
    hash_weights,
    is_url,
)
from topfive.errors import WeightsRefused
from topfive.input_recipe import InputRecipe

RECIPE = InputRecipe(resize=64, crop=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def test_a_url_is_its_own_source():
    """Both schemes are URLs, and a URL is recorded as it is."""
    for url in ("https://example.org/a.pth", "http://example.org/a.pth"):
        assert is_url(url)
        assert given_source(url) == url
    assert is_url("HTTPS://example.org/a.pth")


def test_no_secret_of_a_url_is_recorded():
    """A password or signature is left out, but another query is another source."""
    one = given_source("https://me:secret@example.org/a.pth?signature=abc")
    assert one.startswith("https://example.org/a.pth?sha256-")
    assert "secret" not in one
    assert "abc" not in one.partition("?")[0]
    assert one != given_source("https://example.org/a.pth?signature=other")


def test_a_local_file_is_named_by_its_content_not_its_place(tmp_path):
    """The same bytes in two places are one source, and no path is recorded."""
    one, other = tmp_path / "one.pth", tmp_path / "other.pth"
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert hash_weights(one) == digest
    assert given_source(str(one)) == given_source(str(other)) == f"local:sha256-{digest[:12]}"
    assert not is_url(str(one))


def test_a_file_is_hashed_once_as_long_as_it_stays(tmp_path, monkeypatch):
    """Workers do not read again what was read already; a changed file is read again."""
    counted = []
    original = source.hash_file
    monkeypatch.setattr(source, "hash_file", lambda path: counted.append(path) or original(path))
    file = tmp_path / "a.pth"
    file.write_bytes(b"weights")
    assert hash_weights(file) == hash_weights(file)
    assert len(counted) == 1
    file.write_bytes(b"other weights")
    assert hash_weights(file) == hashlib.sha256(b"other weights").hexdigest()


def test_a_version_changes_with_weights_labels_and_recipe():
    """Each of the three alone gives another version."""
    versions = {
        content_version("a", "b", RECIPE),
        content_version("c", "b", RECIPE),
        content_version("a", "c", RECIPE),
        content_version("a", "b", RECIPE.model_copy(update={"resize": 72})),
        content_version("a", "b", RECIPE.model_copy(update={"std": (0.2, 0.5, 0.5)})),
    }
    assert len(versions) == 5
    assert all(check_name(version) for version in versions)


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        ("birds.pth", "birds"),
        ("/data/My Birds (2).safetensors", "my-birds-2-"),
        ("https://example.org/weights/Best%20one.pt?x=1", "best-one"),
        ("mobilenet_v2.pth", "mobilenet_v2-custom"),
        ("RESNET50.pt", "resnet50-custom"),
        ("digits.pth", "digits-custom"),
        ("_.pth", "resnet50-custom"),
        ("鳥.pth", "resnet50-custom"),
        ("x" * 90 + ".pth", "x" * 64),
        ("epoch=3-step=10.ckpt", "epoch-3-step-10"),
        ("https://example.org/..%2f..%2fetc.pth", "etc"),
        ("HTTPS://me:secret@[example/a.pth", "resnet50-custom"),
    ],
)
def test_a_name_is_derived_from_the_file(weights, name):
    """It can be a bundle's name, and is never that of an official model."""
    assert derive_name(weights, "resnet50") == name
    assert check_name(name) == name
    assert name not in OFFICIAL_NAMES


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("gone.pth", r"no weights file gone\.pth.*TOPFIVE_WEIGHTS"),
        ("s3://bucket/a.pth", r"http://"),
        ("https://example.org/page.html", r"\.safetensors"),
        (
            "https://me:secret@[example/a.pth",
            r"^https://… is no address\. Check TOPFIVE_WEIGHTS \(--weights\)\.$",
        ),
        ("https://me:secret@example.org:70000/a.pth", "no address"),
        (
            "ftp://me:secret@example.org/a.pth?signature=secret",
            r"^ftp://example\.org/a\.pth is not",
        ),
    ],
)
def test_what_cannot_be_weights_is_refused(weights, message):
    """The message says which file and which setting, and nothing that is secret."""
    with pytest.raises(WeightsRefused, match=message) as refusal:
        check_weights(weights)
    assert "secret" not in str(refusal.value)
