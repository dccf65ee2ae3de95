"""A bundle that is not here comes from the store, or is made."""

from pathlib import Path

import pytest

from topfive.errors import BundleMissing, BundleRefused, StoreDenied, StoreUnreachable
from topfive.provider import provide
from topfive.provider.provide import provide_bundle
from topfive.provider.store_process import fetch_in_own_process, list_in_own_process
from topfive.registry.desired import ModelOptions


@pytest.fixture
def calls(monkeypatch):
    """Notes what is fetched and pulled; each fails with what lies in `failing`."""
    noted = []
    failing: dict[str, Exception] = {}

    def fetch(reference, options, *, is_shown):
        noted.append(f"fetch {reference}")
        if "fetch" in failing:
            raise failing["fetch"]

    def pull(options, *, is_shown):
        noted.append(f"pull {options.model}")
        if "pull" in failing:
            raise failing["pull"]

    monkeypatch.setattr(provide, "fetch_in_own_process", fetch)
    monkeypatch.setattr(provide, "pull_in_own_process", pull)
    return noted, failing


def _options(model: str, version: str = "", weights: str = "", store: str = "/srv/models"):
    return ModelOptions(model, weights, None, Path("models"), version=version, store=store)


def test_a_finished_model_is_fetched(calls):
    """A name that is no architecture is the store's, with the version that is asked for."""
    noted, _ = calls
    assert provide_bundle(_options("flowers")) is False
    assert provide_bundle(_options("flowers", "1.2.0")) is False
    assert noted == ["fetch flowers", "fetch flowers@1.2.0"]


def test_an_official_model_is_fetched_in_its_version(calls):
    """Of an official model the weights are meant that are served."""
    noted, _ = calls
    provide_bundle(_options("mobilenet_v2"))
    assert noted == ["fetch mobilenet_v2@imagenet1k-v2"]


@pytest.mark.parametrize("error", [BundleMissing("none"), StoreUnreachable("down")])
def test_an_official_model_is_made_where_the_store_does_not_give_it(calls, error):
    """A store without it, or one that is down, does not keep it from being made."""
    noted, failing = calls
    failing["fetch"] = error
    assert provide_bundle(_options("resnet50")) is True
    assert noted[1:] == ["pull resnet50"]


def test_what_cannot_be_made_either_is_told_as_the_stores(calls):
    """On a machine without torch what the store said is what to mend."""
    _, failing = calls
    failing |= {"fetch": StoreDenied("credentials"), "pull": BundleMissing("no torch")}
    with pytest.raises(StoreDenied, match="credentials"):
        provide_bundle(_options("resnet50"))


def test_a_finished_model_is_never_made(calls):
    """Nobody knows what a name means that is the store's alone."""
    noted, failing = calls
    failing["fetch"] = StoreUnreachable("down")
    with pytest.raises(StoreUnreachable):
        provide_bundle(_options("flowers"))
    assert noted == ["fetch flowers"]


def test_weights_of_ones_own_are_made(calls):
    """What settings say of weights does not come from a store; nor anything without one."""
    noted, _ = calls
    provide_bundle(_options("resnet50", weights="birds.pth"))
    provide_bundle(_options("resnet50", store=""))
    assert noted == ["pull resnet50", "pull resnet50"]


def test_errors_of_the_other_process_come_back(tmp_path, monkeypatch):
    """What `topfive models` reports is raised here as it was, with nothing on the command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("TOPFIVE_MODEL_STORE", str(tmp_path / "store"))
    options = ModelOptions("flowers", "", None, tmp_path / "models", store="unused")
    with pytest.raises(BundleMissing, match=r"There is no flowers in .*/store. It has no bundle"):
        fetch_in_own_process(provide.stored_reference(options), options)
    assert list_in_own_process(tmp_path / "models").bundles == 0
    (tmp_path / "store" / "flowers" / "1").mkdir(parents=True)
    (tmp_path / "store" / "flowers" / "1" / "bundle.json").write_text("{")
    assert "flowers/1/bundle.json" in list_in_own_process(tmp_path / "models").refused[0]
    monkeypatch.setenv("TOPFIVE_MODEL_STORE", str(tmp_path / "gone"))
    with pytest.raises(StoreUnreachable, match="nothing at"):
        list_in_own_process(tmp_path / "models")


def test_a_damaged_bundle_is_a_mistake(calls):
    """It is not made in its place, and not tried again."""
    noted, failing = calls
    failing["fetch"] = BundleRefused("its sha256 differs")
    with pytest.raises(BundleRefused):
        provide_bundle(_options("resnet50"))
    assert noted == ["fetch resnet50@imagenet1k-v2"]
