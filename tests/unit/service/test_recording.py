"""What a history is given of predictions, and that they stay the same without one."""

from dataclasses import replace

import numpy as np
import pytest

from tests import pictures
from tests.unit.cache.samples import MemoryStore
from topfive.bundles.store import open_bundle
from topfive.cache.cache import Cache
from topfive.cache.guarded import CacheEvents, GuardedStore
from topfive.classify.loading import load_classifier
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.engines import EngineOptions
from topfive.history.ids import time_of
from topfive.history.recorder import NoRecorder
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.models import RouteView, TargetView
from topfive.predictions import AnsweredRequest, CacheStatus, PictureHash, PredictionOptions
from topfive.registry.registry import Registry
from topfive.service import Routing, Service, ServiceLimits

SIZING = Sizing(workers=1, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
ANSWERED = AnsweredRequest("request-1", "/predict", "abcd")
# By `printf x | sha256sum`.
X_SHA256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


class Recorder(NoRecorder):
    """Keeps what it is given."""

    is_on = True

    def __init__(self):
        self.records = []
        self.is_closed = False

    def note(self, record):
        """Keep it."""
        self.records.append(record)

    def close(self):
        """Note that nothing more comes."""
        self.is_closed = True


@pytest.fixture
def service(tiny_folder):
    """A service with the tiny model."""
    registry = Registry("tiny")
    bundle = open_bundle(tiny_folder)
    options = EngineOptions("openvino", "f32", 1)
    registry.activate(registry.adopt(load_classifier(bundle, options, ImageLimits(), frozenset())))
    limits = ServiceLimits(ImageLimits(), 30.0)
    limiter = ConcurrencyLimiter(1, 0)
    made = Service(registry, limiter, MemoryBudget(10**9), SIZING, limits)
    yield made
    made.close()


@pytest.fixture
def recorder(service):
    """What the service records goes here."""
    one = Recorder()
    service.record_with(one)
    return one


def later():
    """Give half a minute."""
    return Deadline.after(30)


def test_a_prediction_is_recorded_as_it_was_made(service, recorder):
    """Once it is known which request it answers, and not before."""
    found = service.predict(pictures.jpeg(), later())
    assert recorder.records == []
    found.record(ANSWERED, 3)
    (kept,) = recorder.records
    assert (kept.id, kept.at, kept.position) == (found.id, time_of(found.id), 3)
    assert (kept.request_id, kept.route, kept.key_id) == ("request-1", "/predict", "abcd")
    assert (kept.classes, kept.timings) == (found.classes, found.timings)
    assert (kept.model.name, kept.model.version, kept.alias) == ("tiny", "1", "")
    assert kept.model.classes == tuple(f"class {number}" for number in range(10))
    assert len(kept.model.digest) == 64
    assert (kept.cache, kept.is_degraded) == (CacheStatus.NONE, False)
    assert kept.picture_sha256 == PictureHash(pictures.jpeg()).digest()


@pytest.mark.parametrize(("top_k", "kept"), [(1, 5), (5, 5), (7, 5)])
def test_five_classes_are_recorded_however_many_are_wanted(service, recorder, top_k, kept):
    """The answer has as many as were asked for."""
    found = service.predict(pictures.jpeg(), later(), PredictionOptions(top_k=top_k))
    found.record(ANSWERED, 0)
    assert len(found.classes) == top_k
    assert len(recorder.records[0].classes) == kept
    assert recorder.records[0].classes[:top_k] == found.classes[:kept]


def test_what_comes_from_the_cache_is_recorded_as_well(service, recorder):
    """With its five classes; the answer to one class serves who asks for five."""
    service.answer_from(Cache(GuardedStore(MemoryStore(), CacheEvents())))
    for top_k in (1, 5, 1):
        found = service.predict(pictures.jpeg(), later(), PredictionOptions(top_k=top_k))
        assert len(found.classes) == top_k
        found.record(ANSWERED, 0)
    first, second, third = recorder.records
    assert [one.cache.value for one in recorder.records] == ["stored", "hit", "hit"]
    assert first.classes == second.classes == third.classes
    assert len({one.id for one in recorder.records}) == 3
    assert len({one.picture_sha256 for one in recorder.records}) == 1


def test_pictures_of_a_batch_are_recorded(service, recorder):
    """Each with its own hash."""
    with service.open_batch(PredictionOptions(top_k=1)) as batch:
        for number, one in enumerate(batch.predict([pictures.jpeg(), pictures.png()], later())):
            one.record(replace(ANSWERED, route="/predict/batch"), number)
            assert len(one.classes) == 1
    assert [one.position for one in recorder.records] == [0, 1]
    assert [len(one.classes) for one in recorder.records] == [5, 5]
    assert [one.picture_sha256 for one in recorder.records] == [
        PictureHash(data).digest() for data in (pictures.jpeg(), pictures.png())
    ]


def test_prepared_pixels_have_no_hash(service, recorder):
    """There was no picture."""
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    for one in service.predict_tensor(pixels, later(), PredictionOptions(top_k=2)):
        one.record(ANSWERED, 0)
        assert len(one.classes) == 2
    assert [one.picture_sha256 for one in recorder.records] == [None, None]
    assert [len(one.classes) for one in recorder.records] == [5, 5]


def test_the_route_that_chose_the_model_is_recorded(service, recorder):
    """By its alias."""
    routing = Routing(
        service._registry, service.access_log, {"live": RouteView((TargetView("tiny", "1", 1),))}
    )
    service.route_with(routing)
    service.predict(pictures.jpeg(), later(), PredictionOptions(model="live")).record(ANSWERED, 0)
    assert recorder.records[0].alias == "live"


def test_without_a_history_nothing_is_different(service):
    """There is no id, and nothing to record."""
    found = service.predict(pictures.jpeg(), later(), PredictionOptions(top_k=1))
    assert (found.id, len(found.classes)) == (None, 1)
    found.record(ANSWERED, 0)
    assert (service.recorder.is_on, service.recorder.waiting) == (False, 0)


def test_a_service_that_closes_has_everything_written(service, recorder):
    """It ends with its recorder."""
    service.close()
    assert recorder.is_closed


def test_a_picture_is_hashed_once_and_let_go_of():
    """It may be large, and an answer may wait for its client."""
    picture = PictureHash(b"x")
    assert picture.digest().hex() == X_SHA256
    assert picture._data == b""
    assert picture.digest().hex() == X_SHA256
