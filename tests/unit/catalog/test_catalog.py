"""Which classifier serves, and when a former one closes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from topfive.bundles.store import Bundle
from topfive.catalog.catalog import Catalog
from topfive.classify.classifier import Classifier
from topfive.engines import EngineOptions
from topfive.errors import ModelNotFound, ModelUnavailable
from topfive.images.limits import ImageLimits


class ClosableEngine:
    """The least an engine can be: it knows whether it was closed, and how often."""

    name, precision, device = "openvino", "f32", "cpu"

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture
def make(tiny_bundle):
    """Makes classifiers of the tiny bundle, called by another name or version on request."""

    def make_one(name: str = "tiny", version: str = "1") -> Classifier:
        manifest = tiny_bundle.manifest.model_copy(update={"name": name, "version": version})
        bundle = Bundle(tiny_bundle.folder, manifest, tiny_bundle.labels)
        return Classifier(bundle, ClosableEngine(), ImageLimits())

    return make_one


def test_nothing_serves_at_first():
    """Until a model is activated there is none, and callers are told when to ask again."""
    catalog = Catalog("tiny")
    assert catalog.state.serving is None
    assert catalog.state.reason
    with pytest.raises(ModelUnavailable) as refusal, catalog.lease(None, None):
        pytest.fail("nothing was leased")
    assert refusal.value.retry_after_s == 10


def test_an_activated_model_is_leased(make):
    """The desired model serves with no reason to tell, by its name and version or by neither."""
    catalog, classifier = Catalog("tiny"), make()
    catalog.activate(classifier)
    assert catalog.state.is_desired
    assert catalog.state.reason is None
    for named in ((None, None), ("tiny", None), (None, "1"), ("tiny", "1")):
        with catalog.lease(*named) as leased:
            assert leased is classifier
            assert catalog.lease_count == 1
    assert catalog.lease_count == 0


@pytest.mark.parametrize("named", [("other", None), ("tiny", "2"), (None, "2"), ("", None)])
def test_what_is_not_served_is_not_found(make, named):
    """Another name or version is refused, never answered by the wrong model."""
    catalog = Catalog("tiny")
    catalog.activate(make())
    with pytest.raises(ModelNotFound) as refusal, catalog.lease(*named):
        pytest.fail("the wrong model was leased")
    assert "other" not in refusal.value.detail
    assert catalog.lease_count == 0


def test_an_unknown_model_is_not_found_even_before_loading():
    """A name that will never be served is told apart from one that is not loaded yet."""
    catalog = Catalog("tiny")
    with pytest.raises(ModelNotFound), catalog.lease("other", None):
        pytest.fail("nothing was leased")
    with pytest.raises(ModelUnavailable), catalog.lease("tiny", "1"):
        pytest.fail("nothing was leased")


def test_a_fallback_serves_but_does_not_pretend(make):
    """A stand-in answers those who name no model; who names the desired one is told to wait."""
    catalog, stand_in = Catalog("desired"), make("stand-in")
    catalog.activate_fallback(stand_in, "Its weights are not here.")
    state = catalog.state
    assert (state.serving, state.is_desired) == (stand_in, False)
    assert state.reason == "Its weights are not here."
    for named in (None, "stand-in"):
        with catalog.lease(named, None) as leased:
            assert leased is stand_in
    with pytest.raises(ModelUnavailable), catalog.lease("desired", None):
        pytest.fail("the stand-in was leased as the desired model")


def test_the_desired_model_takes_over_from_the_fallback(make):
    """Once the desired model is there it serves, and the stand-in is closed."""
    catalog, stand_in, desired = Catalog("desired"), make("stand-in"), make("desired")
    catalog.activate_fallback(stand_in, "not yet")
    catalog.activate(desired)
    assert catalog.state.serving is desired
    assert catalog.state.reason is None
    assert (stand_in.engine.closed, desired.engine.closed) == (1, 0)


def test_a_replaced_classifier_closes_after_its_last_lease(make):
    """What still works is not closed under its hands; the last one out closes it, once."""
    catalog, former, later = Catalog("tiny"), make(), make(version="2")
    catalog.activate(former)
    with catalog.lease(None, None) as first:
        with catalog.lease(None, None):
            catalog.activate(later)
            assert first is former
            assert former.engine.closed == 0
            with catalog.lease(None, None) as newest:
                assert newest is later
        assert former.engine.closed == 0
    assert former.engine.closed == 1
    assert later.engine.closed == 0


def test_activating_what_serves_already_closes_nothing(make):
    """Publishing the same classifier again leaves it at work."""
    catalog, classifier = Catalog("tiny"), make()
    catalog.activate(classifier)
    catalog.activate(classifier)
    assert classifier.engine.closed == 0


def test_a_lease_comes_back_after_an_error(make):
    """Work that fails gives back its lease."""
    catalog = Catalog("tiny")
    catalog.activate(make())
    with pytest.raises(ZeroDivisionError), catalog.lease(None, None):
        raise ZeroDivisionError
    assert catalog.lease_count == 0


def test_closing_stops_serving_and_waits_for_leases(make):
    """After closing nothing is leased; what still works closes when it is done."""
    catalog, classifier = Catalog("tiny"), make()
    catalog.activate(classifier)
    with catalog.lease(None, None):
        catalog.close()
        assert classifier.engine.closed == 0
        assert catalog.state.serving is None
        with pytest.raises(ModelUnavailable), catalog.lease(None, None):
            pytest.fail("leased after closing")
    assert classifier.engine.closed == 1
    catalog.close()
    assert classifier.engine.closed == 1


def test_a_model_that_comes_after_closing_does_not_serve(make):
    """A load that was under way when the catalog closed brings nothing back to life."""
    catalog, late = Catalog("tiny"), make()
    catalog.close()
    catalog.activate(late)
    assert catalog.state.serving is None
    assert late.engine.closed == 1


def test_a_reason_is_told_only_while_the_model_is_missing(make):
    """An explanation stands until the desired model serves, and never after."""
    catalog = Catalog("tiny")
    catalog.explain("It is being fetched.")
    assert catalog.state.reason == "It is being fetched."
    catalog.activate(make())
    catalog.explain("Too late.")
    assert catalog.state.reason is None
    assert catalog.state.is_desired


def test_leases_and_swaps_may_race(make):
    """While models are swapped under load, no lease ever sees a closed one, and all close once."""
    catalog, done = Catalog("tiny"), Event()
    models = [make(version=str(number)) for number in range(50)]
    catalog.activate(models[0])

    def work() -> int:
        closed_seen = 0
        while not done.is_set():
            with catalog.lease(None, None) as leased:
                closed_seen += leased.engine.closed
        return closed_seen

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work) for _ in range(6)]
        for model in models[1:]:
            catalog.activate(model)
        done.set()
        assert sum(one.result() for one in working) == 0
    assert [model.engine.closed for model in models] == [1] * 49 + [0]


def test_a_closed_openvino_engine_is_really_given_up(tiny_bundle):
    """Closing a classifier drops its infer requests."""
    from topfive.classify.classifier import load_classifier

    options = EngineOptions("openvino", "f32", 2)
    classifier = load_classifier(tiny_bundle, options, ImageLimits(), frozenset())
    assert classifier.engine._requests.qsize() == 2
    classifier.close()
    assert classifier.engine._requests.empty()
