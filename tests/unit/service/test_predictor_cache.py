"""Predictions and the cache: a hit needs no slot and no decoder, and nothing follows from it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import pictures
from tests.unit.bundle_copies import copy_bundle
from tests.unit.cache.samples import MemoryStore
from topfive.bundles.store import open_bundle
from topfive.cache.cache import Cache
from topfive.cache.guarded import CacheEvents, GuardedStore
from topfive.classify import classifier as classifying
from topfive.classify.loading import load_classifier
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.engines import EngineOptions
from topfive.errors import ClientDisconnected, InvalidImage, Overloaded
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.predictions import CacheStatus, CacheUse, ModelRef, PredictionOptions, do_nothing
from topfive.registry.registry import Registry
from topfive.service import Routing, Service, ServiceLimits

SIZING = Sizing(workers=1, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
ONLY_CACHED = PredictionOptions(only_cached=True)


def load(folder):
    """Load a bundle's folder in OpenVINO."""
    options = EngineOptions("openvino", "f32", 1)
    return load_classifier(open_bundle(folder), options, ImageLimits(), frozenset())


@pytest.fixture
def registry(tiny_folder):
    """A registry in which the tiny model serves."""
    one = Registry("tiny")
    one.activate(one.adopt(load(tiny_folder)))
    yield one
    one.close()


@pytest.fixture
def limiter():
    """One slot, and none that may wait."""
    return ConcurrencyLimiter(1, 0)


@pytest.fixture
def service(registry, limiter):
    """A service with a cache."""
    limits = ServiceLimits(ImageLimits(), 30.0)
    made = Service(registry, limiter, MemoryBudget(10**9), SIZING, limits)
    made.answer_from(Cache(GuardedStore(MemoryStore(), CacheEvents())))
    return made


def later():
    """Give half a minute."""
    return Deadline.after(30)


def test_a_service_tells_whether_it_has_a_cache(service, registry, limiter):
    """The server takes on more where some pictures need no slot."""
    limits = ServiceLimits(ImageLimits(), 30.0)
    without = Service(registry, limiter, MemoryBudget(10**9), SIZING, limits)
    assert (service.has_cache, without.has_cache) == (True, False)


def test_a_hit_needs_no_slot_and_no_decoder(service, limiter, monkeypatch):
    """It is answered while every slot is taken."""
    first = service.predict(pictures.jpeg(), later())
    assert first.cache is CacheStatus.STORED
    monkeypatch.setattr(classifying, "decode", None)
    with limiter.queue_slot(), limiter.permit(later()):
        again = service.predict(pictures.jpeg(), later())
        only = service.predict(pictures.jpeg(), later(), ONLY_CACHED)
        with pytest.raises(Overloaded):
            service.predict(pictures.png(), later())
    assert again.cache is only.cache is CacheStatus.HIT
    assert (again.model, again.classes, again.image) == (first.model, first.classes, first.image)
    assert again.timings.inference_ms == again.timings.decode_ms == again.timings.queue_ms == 0
    assert again.timings.total_ms > 0


def test_where_only_the_cache_may_answer_nothing_is_classified(service):
    """It is `overloaded`, and the next who asks is answered."""
    with pytest.raises(Overloaded):
        service.predict(pictures.jpeg(), later(), ONLY_CACHED)
    assert service.predict(pictures.jpeg(), later()).cache is CacheStatus.STORED


def test_nothing_follows_from_a_hit(service, monkeypatch):
    """No canary is judged by it, and no shadow sees it."""
    monkeypatch.setattr(Routing, "follow_up", lambda *_: print)
    assert service.predict(pictures.jpeg(), later()).follow_up is print
    assert service.predict(pictures.jpeg(), later()).follow_up is do_nothing


def test_what_was_waited_before_counts_as_waiting(service):
    """As it does without a cache."""
    service.predict(pictures.jpeg(), later())
    hit = service.predict(pictures.jpeg(), Deadline(later().at_s, waited_s=0.5))
    assert hit.timings.queue_ms == 500
    assert hit.timings.total_ms >= 500


def test_after_a_swap_nothing_of_the_old_model_is_answered(
    service, registry, tiny_folder, tmp_path
):
    """Another bundle has other answers, of whatever name and version it is."""
    assert service.predict(pictures.jpeg(), later()).cache is CacheStatus.STORED
    folder = copy_bundle(tiny_folder, tmp_path / "tiny", version="2", input={
        **open_bundle(tiny_folder).manifest.input.model_dump(), "resize": 80,
    })  # fmt: skip
    registry.activate(registry.adopt(load(folder)))
    found = service.predict(pictures.jpeg(), later())
    assert (found.model, found.cache) == (ModelRef("tiny", "2"), CacheStatus.STORED)


def test_a_failure_is_not_kept(service, limiter, registry):
    """And leaves nothing taken."""
    for _ in range(2):
        with pytest.raises(InvalidImage):
            service.predict(pictures.forged_png(10, 10), later())
    assert registry.lease_count == 0
    assert limiter.load().working == 0


def test_a_refresh_is_classified_and_kept(service):
    """`no-cache` asks for a new answer, `no-store` for one that is forgotten."""
    for use in (CacheUse.REFRESH, CacheUse.NONE):
        options = PredictionOptions(cache_use=use)
        assert service.predict(pictures.jpeg(), later(), options).cache is CacheStatus.BYPASSED
    assert service.predict(pictures.jpeg(), later()).cache is CacheStatus.HIT


def test_of_many_at_once_one_is_classified(service):
    """Though there is one slot and no place to wait, all are answered."""
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: service.predict(pictures.jpeg(), later()), range(30)))
    statuses = [one.cache for one in found]
    assert statuses.count(CacheStatus.STORED) == 1
    assert len({one.classes for one in found}) == 1


def test_a_client_that_goes_leaves_its_work_to_who_waits(service):
    """Its own request ends as it does without a cache."""
    with pytest.raises(ClientDisconnected):
        service.predict(pictures.jpeg(), later(), PredictionOptions(), lambda: True)
    assert service.predict(pictures.jpeg(), later()).cache is CacheStatus.STORED
