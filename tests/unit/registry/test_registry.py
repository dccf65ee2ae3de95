"""Which classifier serves, and when a former one closes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from topfive.bundles.store import Bundle
from topfive.bundles.versions import ModelReference
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.errors import ModelNotFound, ModelUnavailable
from topfive.images.limits import ImageLimits
from topfive.predictions import ModelRef
from topfive.registry.registry import Registry


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
    registry = Registry("tiny")
    assert registry.state.serving is None
    assert registry.state.reason
    with pytest.raises(ModelUnavailable) as refusal, registry.lease():
        pytest.fail("nothing was leased")
    assert refusal.value.retry_after_s == 10


def test_an_activated_model_is_leased(make):
    """The desired model serves with no reason to tell, by its name and version or by neither."""
    registry, classifier = Registry("tiny"), make()
    registry.activate(registry.adopt(classifier))
    assert registry.state.is_desired
    assert registry.state.reason is None
    for named in (None, ModelReference("tiny"), ModelReference("tiny", "1"), ModelRef("tiny", "1")):
        with registry.lease(named) as leased:
            assert leased is classifier
            assert registry.lease_count == 1
    assert registry.lease_count == 0


@pytest.mark.parametrize("named", [("other", None), ("tiny", "2"), ("tiny", ""), ("", None)])
def test_what_is_not_served_is_not_found(make, named):
    """Another name or version is refused, never answered by the wrong model."""
    registry = Registry("tiny")
    registry.activate(registry.adopt(make()))
    with pytest.raises(ModelNotFound) as refusal, registry.lease(ModelReference(*named)):
        pytest.fail("the wrong model was leased")
    assert "other" not in refusal.value.detail
    assert registry.lease_count == 0


def test_an_unknown_model_is_not_found_even_before_loading():
    """A name that will never be served is told apart from one that is not loaded yet."""
    registry = Registry("tiny")
    with pytest.raises(ModelNotFound), registry.lease(ModelReference("other")):
        pytest.fail("nothing was leased")
    with pytest.raises(ModelUnavailable), registry.lease(ModelReference("tiny", "1")):
        pytest.fail("nothing was leased")


def test_a_fallback_serves_but_does_not_pretend(make):
    """A stand-in answers those who name no model; who names the desired one is told to wait."""
    registry, stand_in = Registry("desired"), make("stand-in")
    registry.stand_in(registry.adopt(stand_in), "Its weights are not here.")
    state = registry.state
    assert (state.serving, state.is_desired) == (stand_in, False)
    assert state.reason == "Its weights are not here."
    for named in (None, ModelReference("stand-in")):
        with registry.lease(named) as leased:
            assert leased is stand_in
    with pytest.raises(ModelUnavailable), registry.lease(ModelReference("desired")):
        pytest.fail("the stand-in was leased as the desired model")


def test_the_desired_model_takes_over_from_the_fallback(make):
    """Once the desired model is there it serves, and the stand-in is closed."""
    registry, stand_in, desired = Registry("desired"), make("stand-in"), make("desired")
    registry.stand_in(registry.adopt(stand_in), "not yet")
    registry.activate(registry.adopt(desired))
    assert registry.state.serving is desired
    assert registry.state.reason is None
    assert (stand_in.engine.closed, desired.engine.closed) == (1, 0)


def test_a_replaced_classifier_closes_after_its_last_lease(make):
    """What still works is not closed under its hands; the last one out closes it, once."""
    registry, former, later = Registry("tiny"), make(), make(version="2")
    registry.activate(registry.adopt(former))
    with registry.lease() as first:
        with registry.lease():
            registry.activate(registry.adopt(later))
            assert first is former
            assert former.engine.closed == 0
            with registry.lease() as newest:
                assert newest is later
        assert former.engine.closed == 0
    assert former.engine.closed == 1
    assert later.engine.closed == 0


def test_activating_what_serves_already_closes_nothing(make):
    """Publishing the same classifier again leaves it at work."""
    registry, classifier = Registry("tiny"), make()
    registry.activate(registry.adopt(classifier))
    registry.activate(registry.adopt(classifier))
    assert classifier.engine.closed == 0


def test_a_lease_comes_back_after_an_error(make):
    """Work that fails gives back its lease."""
    registry = Registry("tiny")
    registry.activate(registry.adopt(make()))
    with pytest.raises(ZeroDivisionError), registry.lease():
        raise ZeroDivisionError
    assert registry.lease_count == 0


def test_closing_stops_serving_and_waits_for_leases(make):
    """After closing nothing is leased; what still works closes when it is done."""
    registry, classifier = Registry("tiny"), make()
    registry.activate(registry.adopt(classifier))
    with registry.lease():
        registry.close()
        assert classifier.engine.closed == 0
        assert registry.state.serving is None
        with pytest.raises(ModelUnavailable), registry.lease():
            pytest.fail("leased after closing")
    assert classifier.engine.closed == 1
    registry.close()
    assert classifier.engine.closed == 1


def test_a_model_that_comes_after_closing_does_not_serve(make):
    """A load that was under way when the registry closed brings nothing back to life."""
    registry, late = Registry("tiny"), make()
    registry.close()
    registry.adopt(late)
    assert registry.state.serving is None
    assert late.engine.closed == 1


def test_a_reason_is_told_only_while_the_model_is_missing(make):
    """An explanation stands until the desired model serves, and never after."""
    registry = Registry("tiny")
    registry.explain("It is being fetched.")
    assert registry.state.reason == "It is being fetched."
    registry.activate(registry.adopt(make()))
    registry.explain("Too late.")
    assert registry.state.reason is None
    assert registry.state.is_desired


def test_leases_and_swaps_may_race(make):
    """While models are swapped under load, no lease ever sees a closed one, and all close once."""
    registry, done = Registry("tiny"), Event()
    models = [make(version=str(number)) for number in range(50)]
    registry.activate(registry.adopt(models[0]))

    def work() -> int:
        closed_seen = 0
        while not done.is_set():
            with registry.lease() as leased:
                closed_seen += leased.engine.closed
        return closed_seen

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work) for _ in range(6)]
        for model in models[1:]:
            registry.activate(registry.adopt(model))
        done.set()
        assert sum(one.result() for one in working) == 0
    assert [model.engine.closed for model in models] == [1] * 49 + [0]


def test_a_closed_openvino_engine_is_really_given_up(tiny_bundle):
    """Closing a classifier drops its slots."""
    options = EngineOptions("openvino", "f32", 2)
    classifier = load_classifier(tiny_bundle, options, ImageLimits(), frozenset())
    plain = classifier.engine._plain
    assert plain._slots.qsize() == 2
    classifier.close()
    assert plain._slots.empty()
