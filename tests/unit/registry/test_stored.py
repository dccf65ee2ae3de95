"""A bundle that only the store has is known, and comes when it is loaded."""

import pytest

from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.store import open_bundle, read_manifest
from topfive.bundles.versions import parse_reference
from topfive.classify.classifier import Classifier
from topfive.errors import ModelNotFound, ModelUnavailable, StoreUnreachable
from topfive.images.limits import ImageLimits
from topfive.registry.known import KnownBundles
from topfive.registry.registry import Registry
from topfive.registry.status import ModelState


class Engine:
    """The least an engine can be."""

    name, precision, device = "openvino", "f32", "cpu"

    def close(self) -> None:
        """Do nothing."""


class Store:
    """A store with tiny 2.0.0, from which bundles are brought by copying."""

    def __init__(self, tiny_folder, models_dir) -> None:
        self.tiny_folder = tiny_folder
        self.models_dir = models_dir
        self.brought: list[str] = []
        self.is_down = False

    def read(self):
        """Tell the one manifest."""
        return (read_manifest(self.tiny_folder).model_copy(update={"version": "2.0.0"}),)

    def bring(self, bundle) -> None:
        """Put it where it is to lie."""
        if self.is_down:
            raise StoreUnreachable("nothing answers there")
        self.brought.append(bundle.ref.version)
        copy_bundle(self.tiny_folder, bundle.folder, version=bundle.ref.version)


@pytest.fixture
def store(tiny_folder, tmp_path):
    """A store, and an empty models directory."""
    (tmp_path / "models").mkdir()
    return Store(tiny_folder, tmp_path / "models")


@pytest.fixture
def registry(store):
    """A registry that may have models brought from the store."""

    def open_folder(folder):
        return Classifier(open_bundle(folder), Engine(), ImageLimits())

    known = KnownBundles((store.models_dir,), stored=store)
    return Registry("other", known, open_folder, bring=store.bring)


def _state(registry) -> ModelState:
    return registry.statuses()[0].state


def test_it_is_available_and_not_handed_out(registry, store):
    """Until somebody orders it nothing is fetched, whoever asks for it."""
    assert _state(registry) is ModelState.AVAILABLE
    with (
        pytest.raises(ModelUnavailable, match=r"tiny 2\.0\.0 is known, but not loaded"),
        registry.lease(parse_reference("tiny")),
    ):
        pass
    assert store.brought == []


def test_loading_brings_it_once(registry, store):
    """It comes before it is loaded, and is then here for good."""
    ref = registry.load(parse_reference("tiny@2.0.0"))
    with registry.lease(ref) as classifier:
        assert classifier.ref == ref
    registry.unload(ref)
    registry.load(ref)
    assert store.brought == ["2.0.0"]
    registry.close()


def test_a_store_that_is_down_leaves_it_available(registry, store):
    """A load that cannot be begun fails with the reason, and may be tried again."""
    store.is_down = True
    with pytest.raises(StoreUnreachable):
        registry.load(parse_reference("tiny"))
    assert _state(registry) is ModelState.AVAILABLE
    store.is_down = False
    registry.load(parse_reference("tiny"))
    assert _state(registry) is ModelState.READY
    registry.close()


def test_other_versions_are_not_asked_of_the_store(registry, store):
    """What was not in its list is not found, and the store is not asked for a stranger's text."""
    with pytest.raises(ModelNotFound):
        registry.load(parse_reference("tiny@9"))
    assert store.brought == []
