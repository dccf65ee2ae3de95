"""What is meant: the official model, or one of one's own."""

from dataclasses import replace

import pytest

from topfive.bundles.official import (
    OFFICIAL_WEIGHTS,
    official_weights,
    recognise_official,
)
from topfive.bundles.recipe import RecipeOptions
from topfive.errors import LabelsRefused, SettingsError
from topfive.registry.desired import ModelOptions, desired_name, named_model, resolve


def _options(tmp_path, model="mobilenet_v2", weights="", labels=None, name="", **recipe):
    return ModelOptions(model, weights, labels, tmp_path, name, RecipeOptions(**recipe))


@pytest.fixture
def weights(tmp_path):
    """A weights file of one's own."""
    path = tmp_path / "mobilenet_v2.pth"
    path.write_bytes(b"weights")
    return str(path)


@pytest.fixture
def official_file(weights, monkeypatch):
    """The same file, where its sha256 is the official one's."""
    monkeypatch.setattr(
        "topfive.registry.desired.hash_weights",
        lambda _: official_weights("mobilenet_v2").sha256_prefix + 56 * "0",
    )
    return weights


def test_without_anything_given_the_official_model_is_meant(tmp_path):
    """It has the official name and comes from the official address."""
    desired = resolve(_options(tmp_path))
    assert desired.is_official
    assert (desired.name, desired.source) == ("mobilenet_v2", official_weights("mobilenet_v2").url)


def test_weights_of_ones_own_have_a_name_of_their_own(tmp_path, weights):
    """The name is that of the file, or the one given; never an official one."""
    assert resolve(_options(tmp_path, weights=weights)).name == "mobilenet_v2-custom"
    assert resolve(_options(tmp_path, weights=weights, name="birds")).name == "birds"
    assert not resolve(_options(tmp_path, weights=weights)).is_official


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50", "digits"])
def test_an_official_name_for_other_weights_is_refused(tmp_path, weights, name):
    """The message says which name, and that another is needed."""
    with pytest.raises(SettingsError, match=f"TOPFIVE_MODEL_NAME={name} .* Choose another"):
        resolve(_options(tmp_path, weights=weights, name=name))


def test_the_official_file_is_the_official_model_wherever_it_lies(tmp_path, official_file):
    """Its digest is what counts, not its name; the official name may then be given too."""
    for name in ("", "mobilenet_v2"):
        desired = resolve(_options(tmp_path, weights=official_file, name=name))
        assert desired == resolve(_options(tmp_path))
    # ResNet-50 it is not.
    assert not resolve(_options(tmp_path, "resnet50", official_file)).is_official


@pytest.mark.parametrize("one", OFFICIAL_WEIGHTS)
def test_every_official_file_is_recognised_by_its_digest(one):
    """Older weights of torchvision are official too, with the recipe of their own."""
    assert recognise_official(one.architecture, one.sha256_prefix + 56 * "0") == one
    assert recognise_official(one.architecture, 64 * "0") is None


def test_official_weights_with_another_recipe_are_a_model_of_ones_own(tmp_path, official_file):
    """The official name stands for the official recipe too."""
    for weights in ("", official_file):
        desired = resolve(_options(tmp_path, weights=weights, resize=256))
        assert desired.name == "mobilenet_v2-custom"
        assert desired.input.resize == 256
        assert not desired.is_official
    with pytest.raises(SettingsError, match="official"):
        resolve(_options(tmp_path, name="mobilenet_v2", resize=256))


def test_labels_for_official_weights_are_a_thousand(tmp_path):
    """What does not fit is seen before anything is fetched."""
    labels = tmp_path / "labels.txt"
    labels.write_text("robin\nwren\n", "utf-8")
    with pytest.raises(LabelsRefused, match="2 names for 1000 classes"):
        resolve(_options(tmp_path, labels=labels))
    labels.write_text("".join(f"klass {number}\n" for number in range(1000)), "utf-8")
    assert resolve(_options(tmp_path, labels=labels)).name == "mobilenet_v2-custom"


def test_a_url_is_official_only_if_it_is_said_to_be(tmp_path):
    """What it holds is checked when it is there; until then its name is its own."""
    url = "https://example.org/mobilenet_v2.pth"
    assert resolve(_options(tmp_path, weights=url)).name == "mobilenet_v2-custom"
    assert resolve(_options(tmp_path, weights=url, name="mobilenet_v2")).is_official


def test_a_name_is_told_even_where_something_is_wrong(tmp_path):
    """/health and the log need one."""
    assert desired_name(_options(tmp_path, weights="gone/birds.pth")) == "birds"
    assert desired_name(_options(tmp_path, weights="gone/birds.pth", name="owls")) == "owls"
    assert desired_name(_options(tmp_path, "digits")) == "digits"


@pytest.mark.parametrize("recipe", [{"crop": 300}, {"resize": 100}, {"resize": 30, "crop": 40}])
def test_a_crop_larger_than_the_picture_is_refused(tmp_path, recipe):
    """The message names both settings."""
    with pytest.raises(SettingsError, match="TOPFIVE_INPUT_RESIZE and TOPFIVE_INPUT_CROP"):
        resolve(_options(tmp_path, **recipe))


@pytest.mark.parametrize(
    ("architecture", "crop", "words"),
    [("vit_b_16", 230, "a crop of 230 is no multiple of 16"), ("maxvit_t", 192, "224 x 224")],
)
def test_a_crop_that_the_architecture_cannot_take_is_refused(tmp_path, architecture, crop, words):
    """It is seen at the start, without torch."""
    with pytest.raises(SettingsError, match=words):
        resolve(_options(tmp_path, architecture, crop=crop, resize=256))


def test_official_models_of_other_architectures_have_recipes_of_their_own(tmp_path):
    """Sizes and interpolation are torchvision's for the weights that are meant."""
    desired = resolve(_options(tmp_path, "efficientnet_b3"))
    assert desired.is_official
    assert (desired.input.resize, desired.input.crop) == (320, 300)
    assert desired.input.interpolation == "bicubic"
    large = resolve(replace(_options(tmp_path, "vit_b_16"), version="imagenet1k-swag-e2e-v1"))
    assert (large.input.crop, resolve(_options(tmp_path, "vit_b_16")).input.crop) == (384, 224)


def test_older_official_weights_are_had_by_their_version(tmp_path):
    """Torchvision's first weights are official too; a version that it does not have is told."""
    options = replace(_options(tmp_path), version="imagenet1k-v1")
    desired = resolve(options)
    assert desired.is_official
    assert desired.official.version == "imagenet1k-v1"
    assert resolve(replace(options, version="latest")) == resolve(_options(tmp_path))
    with pytest.raises(SettingsError, match=r"'2.0' of the official mobilenet_v2. Known: imagen"):
        resolve(replace(options, version="2.0"))


def test_a_version_of_ones_own_goes_with_its_weights(tmp_path, weights):
    """Only a bundle that has it is meant."""
    options = replace(_options(tmp_path, weights=weights), version="1.2.0")
    assert resolve(options).version == "1.2.0"
    assert resolve(_options(tmp_path, weights=weights)).version == ""


def test_a_reference_means_a_model_and_nothing_else(tmp_path):
    """`name@version` is taken apart; a path may have an `@`."""
    named = named_model("flowers@1.2", tmp_path)
    assert (named.model, named.version, named.is_plain) == ("flowers", "1.2", True)
    assert named_model("/srv/a@b/flowers", tmp_path).model == "/srv/a@b/flowers"


def test_an_official_version_that_is_named_is_the_only_one_meant(tmp_path):
    """Beside it may lie what was quantized of it, which is official too, and later."""
    official = official_weights("mobilenet_v2")
    plain = resolve(named_model(f"mobilenet_v2@{official.version}", tmp_path))
    quantized = resolve(named_model(f"mobilenet_v2@{official.version}-int8", tmp_path))
    for desired, version in ((plain, official.version), (quantized, f"{official.version}-int8")):
        assert (desired.version, desired.official, desired.is_official) == (version, official, True)
    for reference in ("mobilenet_v2", "mobilenet_v2@latest"):
        assert resolve(named_model(reference, tmp_path)).version == ""
    with pytest.raises(SettingsError, match="no version 'imagenet1k-v9-int8'"):
        resolve(named_model("mobilenet_v2@imagenet1k-v9-int8", tmp_path))
