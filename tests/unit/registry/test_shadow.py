"""Shadows: what is classified again, what is left out, and that nobody waits for it."""

from contextlib import contextmanager
from queue import Queue
from threading import Event
from types import SimpleNamespace

import pytest

from tests import pictures
from tests.unit.bundle_copies import change_manifest, copy_bundle
from topfive.bundles.store import open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.concurrency.memory import MemoryBudget
from topfive.engines import EngineOptions
from topfive.errors import ModelUnavailable
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.models import ShadowView
from topfive.predictions import ModelRef
from topfive.registry import shadow as shadow_module
from topfive.registry.shadow import AnsweredPicture, Shadows

LIMITS = ImageLimits()
SHADOW = ShadowView("tiny", "2")
WITHIN_S = 30


class _Report:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: Queue[tuple[str, ...]] = Queue()

    def count_shadow(self, model, outcome, inference_ms):
        """Keep who classified, with what outcome."""
        assert (inference_ms > 0) == (outcome != "failed")
        self.told.put((f"{model.name}@{model.version}", outcome))

    def count_shadow_dropped(self, reason):
        """Keep why."""
        self.told.put(("dropped", reason))

    def next(self):
        """Wait for the next that is told."""
        return self.told.get(timeout=WITHIN_S)


class _Setting:
    """Shadows with everything around them, and what a test may change of it."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.spare = True
        self.failure: Exception | None = None
        self.is_leased = False
        self.memory = MemoryBudget(10_000_000)
        self.report = _Report()
        self.shadows = Shadows(self._lease, lambda: self.spare, self.memory, self.report)

    def offer(self, picture: AnsweredPicture) -> None:
        """Offer a picture when the one before is done with."""
        with self.shadows._turn:
            pass
        self.shadows.offer(SHADOW, picture)

    @contextmanager
    def _lease(self, shadow):
        assert shadow == SHADOW
        if self.failure:
            raise self.failure
        self.is_leased = True
        yield self.classifier
        self.is_leased = False


@pytest.fixture(scope="module")
def answering(tiny_bundle):
    """The tiny model, which answers."""
    loaded = load_classifier(tiny_bundle, EngineOptions("openvino", "f32"), LIMITS, frozenset())
    yield loaded
    loaded.close()


def _as_shadow(tiny_folder, tmp_path, answering, **change):
    """The answering model's engine under a bundle of version 2."""
    folder = copy_bundle(tiny_folder, tmp_path / "shadow")
    change_manifest(folder, lambda one: one.update(version="2", **change))
    return Classifier(open_bundle(folder), answering.engine, LIMITS)


@pytest.fixture
def setting(tiny_folder, tmp_path, answering):
    """Shadows whose model gives what the answering one gives."""
    one = _Setting(_as_shadow(tiny_folder, tmp_path, answering))
    yield one
    one.shadows.close()
    assert one.memory.taken_bytes == 0
    assert not one.is_leased


def _answered(answering, data=None, class_id=None) -> AnsweredPicture:
    prepared = answering.prepare(sniff(data or pictures.png(), LIMITS))
    found = answering.infer(prepared.pixels, 10).classes
    best = found[0] if class_id is None else next(one for one in found if one.class_id != class_id)
    return AnsweredPicture(prepared, best, answering.bundle.labels, answering.ref)


def test_a_shadow_that_says_the_same_agrees(setting, answering):
    """A picture is classified again after it was answered, and whether both agree is told."""
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("tiny@2", "agreed")


def test_a_shadow_that_says_something_else_disagrees(setting, answering):
    """Another best class is a disagreement."""
    picture = _answered(answering)
    setting.shadows.offer(SHADOW, _answered(answering, class_id=picture.best.class_id))
    assert setting.report.next() == ("tiny@2", "disagreed")


def test_other_labels_are_compared_by_name(setting, answering):
    """Where the numbers mean other classes, the names are what counts."""
    picture = _answered(answering)
    labels = tuple(reversed(answering.bundle.labels))
    renumbered = SimpleNamespace(class_id=99, class_name=picture.best.class_name)
    other = AnsweredPicture(picture.prepared, renumbered, labels, picture.answered_by)
    setting.shadows.offer(SHADOW, other)
    assert setting.report.next() == ("tiny@2", "agreed")


def test_without_spare_capacity_nothing_is_classified(setting, answering):
    """A picture is dropped at once while the worker is busy."""
    setting.spare = False
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("dropped", "busy")


def test_without_idle_cpus_nothing_is_classified(setting, answering, monkeypatch):
    """While others use the CPUs pictures are dropped, and the CPUs are not looked at for each."""
    monkeypatch.setattr(shadow_module, "_LOOKS_AGAIN_AFTER_S", 600)
    asked = []

    def has_idle_cpus(own_s):
        asked.append(own_s)
        return False

    setting.shadows._has_idle_cpus = has_idle_cpus
    for _ in range(3):
        setting.offer(_answered(answering))
        assert setting.report.next() == ("dropped", "busy")
    assert asked == [0.0]


def test_one_picture_at_a_time(setting, answering, monkeypatch):
    """While a shadow is at work, further pictures are dropped, and none is kept for later."""
    began, go_on = Event(), Event()

    def infer(pixels, top_k):
        began.set()
        assert go_on.wait(WITHIN_S)
        return answering.infer(pixels, top_k)

    monkeypatch.setattr(setting.classifier, "infer", infer)
    picture = _answered(answering)
    setting.shadows.offer(SHADOW, picture)
    assert began.wait(WITHIN_S)
    setting.shadows.offer(SHADOW, picture)
    assert setting.report.next() == ("dropped", "busy")
    assert setting.memory.taken_bytes == picture.prepared.decoded.held_bytes
    go_on.set()
    assert setting.report.next() == ("tiny@2", "agreed")


def test_capacity_that_is_gone_by_then_is_not_used(setting, answering):
    """Whether there is capacity is asked again when the work begins."""
    asked = iter((True, False))
    setting.shadows._has_spare = lambda: next(asked)
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("dropped", "busy")


def test_without_memory_nothing_is_classified(setting, answering):
    """A picture for which no memory is free is dropped at once, and the next one is not."""
    assert setting.memory.take(9_999_000)
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("dropped", "memory")
    setting.memory.give_back(9_999_000)
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("tiny@2", "agreed")


def test_a_shadow_that_is_not_loaded_is_left_out(setting, answering):
    """A shadow is not waited for while it is not loaded."""
    setting.failure = ModelUnavailable()
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("dropped", "unavailable")


def test_a_picture_that_was_shrunk_too_far_is_left_out(tiny_folder, tmp_path, answering):
    """A JPEG that was shrunk for a small model says nothing of a large one."""
    larger = {"input": answering.bundle.manifest.input.model_dump() | {"resize": 300}}
    setting = _Setting(_as_shadow(tiny_folder, tmp_path, answering, **larger))
    setting.shadows.offer(SHADOW, _answered(answering, pictures.jpeg(2000, 2000)))
    assert setting.report.next() == ("dropped", "shrunk")
    setting.offer(_answered(answering, pictures.png(400, 400)))
    assert setting.report.next()[0] == "tiny@2"
    setting.shadows.close()


def test_a_shadow_that_fails_is_counted_and_tried_again(setting, answering, monkeypatch):
    """Whatever goes wrong in a shadow ends with it."""
    with monkeypatch.context() as patch:
        patch.setattr(setting.classifier, "infer", lambda *_: 1 / 0)
        setting.shadows.offer(SHADOW, _answered(answering))
        assert setting.report.next() == ("tiny@2", "failed")
    setting.offer(_answered(answering))
    assert setting.report.next() == ("tiny@2", "agreed")


def test_the_model_that_answered_is_no_shadow(setting, answering):
    """Where the answer was the shadow's own, it is not classified again."""
    picture = _answered(answering)
    own = AnsweredPicture(picture.prepared, picture.best, picture.labels, ModelRef("tiny", "2"))
    setting.shadows.offer(SHADOW, own)
    setting.shadows.close()
    assert setting.report.told.empty()


def test_after_the_end_nothing_is_taken(setting, answering):
    """A picture that comes after the end is dropped."""
    setting.shadows.close()
    setting.shadows.offer(SHADOW, _answered(answering))
    assert setting.report.next() == ("dropped", "busy")
