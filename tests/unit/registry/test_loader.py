"""Finding a model's bundle, and having it made."""

import json
from pathlib import Path

import pytest

from tests.unit.bundle_copies import copy_bundle, replace_file
from topfive.bundles.labels import format_labels
from topfive.bundles.official import official_weights
from topfive.bundles.source import given_source
from topfive.engines import EngineOptions
from topfive.errors import (
    BundleMissing,
    BundleRefused,
    EngineRefused,
    LabelsRefused,
    OperatorError,
    SettingsError,
    WeightsRefused,
    WeightsUnreachable,
)
from topfive.images.limits import ImageLimits
from topfive.registry import loader
from topfive.registry.desired import ModelOptions, desired_name
from topfive.registry.loader import (
    LoadOptions,
    explain,
    find_impostors,
    load_present,
    locate_bundle,
    obtain_bundle,
    open_located,
)

LOAD_OPTIONS = LoadOptions(EngineOptions("openvino", "f32"), ImageLimits(), frozenset())


@pytest.fixture
def no_demo(monkeypatch, tmp_path):
    """Leave the bundles that are shipped out of account."""
    monkeypatch.setattr(loader, "demo_root", lambda: tmp_path / "no-demo")


def _options(models_dir, model="tiny", weights="", labels=None):
    return ModelOptions(model, weights, labels, models_dir)


def test_a_directory_is_taken_as_it_is(tiny_folder, tmp_path):
    """A model with a slash is the path of a bundle, and its name is the manifest's."""
    assert locate_bundle(_options(tmp_path, str(tiny_folder))) == tiny_folder
    assert desired_name(_options(tmp_path, str(tiny_folder))) == "tiny"


def test_a_directory_without_a_manifest_is_called_by_its_own_name(tmp_path):
    """A path that holds no bundle still has a name to tell."""
    assert desired_name(_options(tmp_path, str(tmp_path / "birds"))) == "birds"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bundle.json").write_text("{", "utf-8")
    assert desired_name(_options(tmp_path, str(tmp_path / "broken"))) == "broken"
    assert desired_name(_options(tmp_path, "mobilenet_v2")) == "mobilenet_v2"


def test_a_bundle_on_disk_takes_no_shipped_ones_name(tiny_folder, tmp_path, monkeypatch):
    """What is shipped inside is served under its name; of one's own the newest is."""
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for version in ("1", "2"):
        copy_bundle(
            tiny_folder, own / "tiny" / version, version=version, created=f"2026-01-0{version}"
        )
    monkeypatch.setattr(loader, "demo_root", lambda: shipped)
    assert locate_bundle(_options(own)) == own / "tiny" / "2"
    copy_bundle(tiny_folder, shipped / "tiny" / "9", version="9", created="2020-01-01")
    assert locate_bundle(_options(own)) == shipped / "tiny" / "9"


def test_an_unknown_model_is_told_with_those_there_are(tmp_path, tiny_folder):
    """Waiting would not help: the names that would do are told."""
    copy_bundle(tiny_folder, tmp_path / "tiny" / "1")
    with pytest.raises(SettingsError, match=r"'tinny'. Did you mean tiny\?.* digits, tiny; torch"):
        locate_bundle(_options(tmp_path, "tinny"))


@pytest.fixture
def birds(tiny_folder, tmp_path):
    """Weights and labels of one's own, and a bundle as it would be made of them."""
    weights, labels = tmp_path / "birds.pth", tmp_path / "birds.txt"
    weights.write_bytes(b"some weights")
    names = tuple(f"bird {number}" for number in range(10))
    labels.write_text(format_labels(names), "utf-8")
    options = _options(tmp_path / "models", "mobilenet_v2", str(weights), labels)
    made = copy_bundle(
        tiny_folder,
        options.models_dir / "birds" / "made",
        name="birds",
        version="made",
        source=given_source(str(weights)),
        input=official_weights("mobilenet_v2").input.model_dump(),
    )
    replace_file(made, "labels.txt", format_labels(names).encode())
    return options, made


def test_given_weights_pick_the_bundle_made_of_them(birds):
    """Where weights are given, only a bundle of those very weights counts."""
    options, made = birds
    assert locate_bundle(options) == made
    Path(options.weights).write_bytes(b"other weights")
    assert locate_bundle(options) is None


def test_corrected_labels_are_another_bundle(birds):
    """With other names the bundle that is there is not the one that is meant."""
    options, _ = birds
    text = options.labels_file.read_text("utf-8")
    options.labels_file.write_text(text.replace("bird 3", "heron"), "utf-8")
    assert locate_bundle(options) is None


def test_another_recipe_is_another_bundle(birds):
    """A bundle with another recipe is not the one that is meant, though it calls itself so."""
    options, made = birds
    manifest = json.loads((made / "bundle.json").read_text("utf-8"))
    manifest["input"]["mean"] = [0.5, 0.5, 0.5]
    (made / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    assert locate_bundle(options) is None


def test_weights_of_ones_own_are_never_the_official_model(tiny_folder, tmp_path):
    """A bundle that an earlier release made under the official name does not step in."""
    old = copy_bundle(
        tiny_folder, tmp_path / "mobilenet_v2" / "old", name="mobilenet_v2", source="local:sha256-1"
    )
    assert locate_bundle(_options(tmp_path, "mobilenet_v2")) is None
    assert find_impostors(tmp_path) == [old]
    with pytest.raises(BundleRefused, match="calls itself mobilenet_v2"):
        open_located(old)


def test_missing_weights_are_told(tmp_path):
    """Weights that are given and not there are an operator's error."""
    with pytest.raises(WeightsRefused, match=r"gone\.pth"):
        locate_bundle(_options(tmp_path, "mobilenet_v2", weights=str(tmp_path / "gone.pth")))


@pytest.mark.usefixtures("no_demo")
def test_what_is_present_is_loaded(tiny_models, tmp_path):
    """A bundle that is there is checked and served; one that is not is an operator's error."""
    classifier = load_present(_options(tiny_models), LOAD_OPTIONS)
    assert classifier.ref.name == "tiny"
    classifier.close()
    with pytest.raises(BundleMissing, match="no bundle of resnet50"):
        load_present(_options(tmp_path, "resnet50"), LOAD_OPTIONS)


def test_a_directory_without_a_bundle_is_refused(tmp_path):
    """A path that holds no bundle is told as a damaged one."""
    with pytest.raises(BundleRefused):
        load_present(_options(tmp_path, str(tmp_path / "nothing")), LOAD_OPTIONS)


@pytest.mark.usefixtures("no_demo")
def test_what_is_present_is_not_made_again(tiny_models):
    """Where the bundle is there, none is made."""
    assert obtain_bundle(_options(tiny_models), lambda _: pytest.fail("made"))


def test_what_is_missing_is_made_first(birds, tmp_path):
    """Where the bundle is missing its provider makes it, then it is found."""
    options, made = birds
    aside = made.rename(tmp_path / "aside")
    asked_for = []

    def provide(asked: ModelOptions) -> None:
        asked_for.append(asked.model)
        aside.rename(made)

    assert obtain_bundle(options, provide) == made
    assert asked_for == ["mobilenet_v2"]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (WeightsUnreachable, "could not be downloaded"),
        (BundleMissing, "not here yet"),
        (WeightsRefused, "cannot be used"),
        (LabelsRefused, "cannot be used"),
        (SettingsError, "cannot be used"),
        (BundleRefused, "damaged"),
        (EngineRefused, "cannot run here"),
        (OperatorError, "not here yet"),
    ],
)
def test_what_anyone_may_read_holds_no_details(error, word):
    """The public reason says what is wrong, without paths or a library's text."""
    reason = explain(error("secret details in /home/someone"), "tiny")
    assert word in reason
    assert "tiny" in reason
    assert "secret" not in reason
