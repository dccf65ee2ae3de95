"""Finding a model's bundle, and having it made."""

import subprocess

import pytest

from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.source import given_source
from topfive.catalog import loader
from topfive.catalog.loader import (
    LoadOptions,
    ModelOptions,
    explain,
    load_present,
    locate_bundle,
    model_name,
    obtain_model,
    pull_in_own_process,
)
from topfive.engines import EngineOptions
from topfive.errors import BundleRefused, EngineRefused, WeightsRefused
from topfive.images.limits import ImageLimits

HOW = LoadOptions(EngineOptions("openvino", "f32"), ImageLimits(), frozenset())


@pytest.fixture
def no_demo(monkeypatch, tmp_path):
    """Leave the bundles that are shipped out of account."""
    monkeypatch.setattr(loader, "demo_root", lambda: tmp_path / "no-demo")


def _options(models_dir, model="tiny", weights="", labels=None):
    return ModelOptions(model, weights, labels, models_dir)


def test_a_directory_is_taken_as_it_is(tiny_folder, tmp_path):
    """A model with a slash is the path of a bundle, and its name is the manifest's."""
    assert locate_bundle(_options(tmp_path, str(tiny_folder))) == tiny_folder
    assert model_name(str(tiny_folder)) == "tiny"


def test_a_directory_without_a_manifest_is_called_by_its_own_name(tmp_path):
    """A path that holds no bundle still has a name to tell."""
    assert model_name(str(tmp_path / "birds")) == "birds"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bundle.json").write_text("{", "utf-8")
    assert model_name(str(tmp_path / "broken")) == "broken"
    assert model_name("mobilenet_v2") == "mobilenet_v2"


def test_the_newest_in_the_models_directory_comes_first(tiny_folder, tmp_path, monkeypatch):
    """A bundle that an operator made wins over a shipped one of the same name."""
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    copy_bundle(tiny_folder, shipped / "tiny" / "9", version="9", created="2030-01-01")
    monkeypatch.setattr(loader, "demo_root", lambda: shipped)
    assert locate_bundle(_options(own)) == shipped / "tiny" / "9"
    for version in ("1", "2"):
        copy_bundle(
            tiny_folder, own / "tiny" / version, version=version, created=f"2026-01-0{version}"
        )
    assert locate_bundle(_options(own)) == own / "tiny" / "2"


@pytest.mark.usefixtures("no_demo")
def test_given_weights_pick_the_bundle_made_of_them(tiny_folder, tmp_path):
    """Where weights are given, only a bundle of those very weights counts."""
    weights = tmp_path / "given.pth"
    weights.write_bytes(b"some weights")
    models = tmp_path / "models"
    copy_bundle(tiny_folder, models / "tiny" / "other", version="other", created="2030-01-01")
    assert locate_bundle(_options(models, weights=str(weights))) is None
    made = copy_bundle(
        tiny_folder, models / "tiny" / "made", version="made", source=given_source(str(weights))
    )
    assert locate_bundle(_options(models, weights=str(weights))) == made
    weights.write_bytes(b"other weights")
    assert locate_bundle(_options(models, weights=str(weights))) is None


def test_missing_weights_are_told(tmp_path):
    """Weights that are given and not there are an operator's error."""
    with pytest.raises(WeightsRefused, match=r"gone\.pth"):
        locate_bundle(_options(tmp_path, weights=str(tmp_path / "gone.pth")))


@pytest.mark.usefixtures("no_demo")
def test_what_is_present_is_loaded(tiny_models, tmp_path):
    """A bundle that is there is checked and served; one that is not is an operator's error."""
    classifier = load_present(_options(tiny_models), HOW)
    assert classifier.ref.name == "tiny"
    classifier.close()
    with pytest.raises(WeightsRefused, match="no bundle of tiny"):
        load_present(_options(tmp_path), HOW)


def test_a_directory_without_a_bundle_is_refused(tmp_path):
    """A path that holds no bundle is told as a damaged one."""
    with pytest.raises(BundleRefused):
        load_present(_options(tmp_path, str(tmp_path / "nothing")), HOW)


@pytest.mark.usefixtures("no_demo")
def test_what_is_present_is_not_made_again(tiny_models, monkeypatch):
    """Where the bundle is there, nothing is pulled."""
    monkeypatch.setattr(loader, "pull_in_own_process", lambda _: pytest.fail("pulled"))
    obtain_model(_options(tiny_models), HOW).close()


@pytest.mark.usefixtures("no_demo")
def test_what_is_missing_is_made_first(tiny_folder, tmp_path, monkeypatch):
    """Where the bundle is missing it is pulled, then loaded."""
    pulled = []

    def pull(options: ModelOptions) -> None:
        pulled.append(options.model)
        copy_bundle(tiny_folder, options.models_dir / "tiny" / "1")

    monkeypatch.setattr(loader, "pull_in_own_process", pull)
    obtain_model(_options(tmp_path), HOW).close()
    assert pulled == ["tiny"]


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_pull_that_fails_tells_why(tmp_path, capfd, is_shown):
    """Pulling runs in a process of its own, whose message becomes the error's and goes nowhere."""
    labels = tmp_path / "labels.txt"
    options = _options(tmp_path, "unheard_of", "https://example.org/a.pth", labels)
    with pytest.raises(WeightsRefused, match=r"^There is no model 'unheard_of' to pull"):
        pull_in_own_process(options, is_shown=is_shown)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("100%\rError: No\n  network.\n", "No network."),
        ("Error: one\nError: two\n", "two"),
        ("10%\r20%", "`topfive pull` ended with exit code -9. 20%"),
        ("Traceback\nMemoryError\n", "`topfive pull` ended with exit code -9. MemoryError"),
        ("", "`topfive pull` ended with exit code -9."),
    ],
)
def test_the_reason_is_what_the_pull_said_last(tmp_path, monkeypatch, said, reason):
    """Whatever a pull leaves on its standard error, the reason is one line and never empty."""
    done = subprocess.CompletedProcess([], -9, "", said)
    monkeypatch.setattr(loader, "run_child", lambda *_, **__: done)
    with pytest.raises(WeightsRefused) as refused:
        pull_in_own_process(_options(tmp_path))
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("error", "word"),
    [(WeightsRefused, "not here"), (BundleRefused, "damaged"), (EngineRefused, "cannot run here")],
)
def test_what_anyone_may_read_holds_no_details(error, word):
    """The public reason says what is wrong, without paths or a library's text."""
    reason = explain(error("secret details in /home/someone"), "tiny")
    assert word in reason
    assert "tiny" in reason
    assert "secret" not in reason
