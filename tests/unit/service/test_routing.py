"""Routing in the service: which model answers, what becomes of canaries, what shadows see."""

from itertools import count

import pytest

from tests import pictures
from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.store import open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline
from topfive.concurrency.memory import MemoryBudget
from topfive.engines import EngineOptions
from topfive.errors import InvalidImage, ModelNotFound, ModelUnavailable
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.predictions import ModelRef, PredictionOptions
from topfive.registry.canary import CanaryOptions, CanaryWatch
from topfive.registry.registry import Registry
from topfive.registry.routes import parse_routes
from topfive.service import Routing, Service, ServiceLimits
from topfive.telemetry.access import AccessLog
from topfive.telemetry.metrics import NoMetrics

SIZING = Sizing(workers=1, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
LIMITS = ServiceLimits(ImageLimits(), 30.0)
CANARIES = CanaryOptions(max_error_rate=0.1, window_s=1000, min_requests=10)


class _Counts(NoMetrics):
    """Keeps what is counted of routes."""

    def __init__(self) -> None:
        self.errors: list[ModelRef] = []
        self.rollbacks: list[tuple[ModelRef, str]] = []

    def count_model_error(self, model):
        """Keep which model failed."""
        self.errors.append(model)

    def count_rollback(self, model, cause):
        """Keep what was taken off, and why."""
        self.rollbacks.append((model, cause))


class _Shadows:
    """Keeps what is offered to shadows."""

    def __init__(self) -> None:
        self.offered = []
        self.is_closed = False

    def offer(self, shadow, picture):
        """Keep it."""
        self.offered.append((shadow, picture))

    def close(self):
        """Note it."""
        self.is_closed = True


class _Lent:
    """An engine that several classifiers use, and that none of them closes."""

    name, device, precision = "openvino", "cpu", "f32"

    def __init__(self, engine) -> None:
        self._engine = engine

    def infer(self, pixels):
        """Score pixels."""
        return self._engine.infer(pixels)

    def infer_with_features(self, pixels):
        """Score pixels, with features."""
        return self._engine.infer_with_features(pixels)

    def close(self):
        """Do nothing."""


class _Failing:
    """An engine that cannot compute."""

    name, device, precision = "openvino", "cpu", "f32"

    def infer(self, _pixels):
        """Fail."""
        raise RuntimeError

    def close(self):
        """Do nothing."""


class _Setting:
    """A service with routes, and what tests look at of it."""

    def __init__(self, classifiers: dict[str, Classifier], routes: str) -> None:
        self.registry = Registry("tiny")
        for version in ("1", "2"):
            self.registry.adopt(classifiers[version])
        self.registry.activate(ModelRef("tiny", "1"))
        self.counts, self.shadows = _Counts(), _Shadows()
        self.service = Service(
            self.registry, ConcurrencyLimiter(1, 1), MemoryBudget(10**9), SIZING, LIMITS
        )
        self.routing = Routing(
            self.registry,
            AccessLog(self.counts),
            parse_routes(routes),
            CanaryWatch(CANARIES, clock=count().__next__),
            self.shadows,
        )
        self.service.route_with(self.routing)

    def answered_by(self, **asked: str) -> str:
        """Classify a picture and follow up; returns the version that answered."""
        found = self.service.predict(
            pictures.png(8, 8), Deadline.after(30), PredictionOptions(**asked)
        )
        found.follow_up()
        return found.model.version


@pytest.fixture(scope="module")
def classifiers(tiny_bundle, tiny_folder, tmp_path_factory):
    """The tiny model as version 1, as version 2, and as one that fails."""
    loaded = load_classifier(
        tiny_bundle, EngineOptions("openvino", "f32"), ImageLimits(), frozenset()
    )
    copy = copy_bundle(tiny_folder, tmp_path_factory.mktemp("copy") / "2", version="2")
    yield {
        "1": Classifier(tiny_bundle, _Lent(loaded.engine), ImageLimits()),
        "2": Classifier(open_bundle(copy), _Lent(loaded.engine), ImageLimits()),
        "failing": Classifier(open_bundle(copy), _Failing(), ImageLimits()),
    }
    loaded.close()


EVEN = "default=tiny@1:50,tiny@2:50"


def test_without_routes_the_default_model_answers(classifiers):
    """Nothing changes where no route is set."""
    setting = _Setting(classifiers, "")
    assert {setting.answered_by() for _ in range(4)} == {"1"}
    assert setting.shadows.offered == []


def test_routes_share_requests(classifiers):
    """Requests that name nothing, or an alias, are shared; a version that is named wins."""
    setting = _Setting(classifiers, f"{EVEN};new=tiny@2")
    assert {setting.answered_by() for _ in range(10)} == {"1", "2"}
    assert {setting.answered_by(model="new") for _ in range(4)} == {"2"}
    assert {setting.answered_by(version="1") for _ in range(4)} == {"1"}
    assert {setting.answered_by(model="tiny") for _ in range(4)} == {"1"}
    assert len({setting.answered_by(route_key="someone") for _ in range(6)}) == 1


def test_a_target_that_is_not_ready_is_passed_over(classifiers):
    """The others serve its share; where none is ready, what answers without routes does."""
    assert _Setting(classifiers, "default=tiny@9:99,tiny@2:1").answered_by() == "2"
    assert _Setting(classifiers, "default=tiny@9:1,other:1").answered_by() == "1"
    with pytest.raises((ModelNotFound, ModelUnavailable)):
        _Setting(classifiers, "new=tiny@9:1").answered_by(model="new")


def test_a_target_that_is_unloaded_meanwhile_loses_no_request(classifiers, monkeypatch):
    """Where what was chosen is gone before it is leased, another target answers."""
    setting = _Setting(classifiers, "default=tiny@2:99,tiny@1:1")
    lease, lost = setting.registry.lease, []

    def lose_first(reference):
        if not lost:
            lost.append(reference)
            setting.registry.unload(reference)
        return lease(reference)

    monkeypatch.setattr(setting.registry, "lease", lose_first)
    assert setting.answered_by(route_key="someone") == "1"
    assert [one.version for one in lost] == ["2"]


def test_a_shadow_is_offered_what_was_answered(classifiers):
    """It gets the picture as it was decoded, once the answer is made, and not before."""
    setting = _Setting(classifiers, "default=tiny@1:100,tiny@2:shadow")
    found = setting.service.predict(pictures.png(8, 8), Deadline.after(30))
    assert setting.shadows.offered == []
    found.follow_up()
    ((shadow, picture),) = setting.shadows.offered
    assert (shadow.model, shadow.version) == ("tiny", "2")
    assert picture.answered_by == ModelRef("tiny", "1")
    assert picture.best == found.classes[0]
    setting.service.close()
    assert setting.shadows.is_closed


def _break(setting, classifiers):
    setting.registry.adopt(classifiers["failing"])


def _ask(setting, times):
    for _ in range(times):
        try:
            setting.answered_by()
        except RuntimeError:
            continue


def test_a_canary_that_fails_is_taken_off(classifiers):
    """Its errors are counted as its own; then the route keeps why, and the other serves all."""
    setting = _Setting(classifiers, EVEN)
    _break(setting, classifiers)
    _ask(setting, 40)
    assert setting.counts.rollbacks == [(ModelRef("tiny", "2"), "errors")]
    assert 10 <= len(setting.counts.errors) < 40
    assert set(setting.counts.errors) == {ModelRef("tiny", "2")}
    (rollback,) = setting.routing.routes["default"].rolled_back
    assert (rollback.model, rollback.version) == ("tiny", "2")
    assert rollback.reason.startswith("100.0% of its last")
    assert {setting.answered_by() for _ in range(10)} == {"1"}


def test_a_picture_that_is_damaged_is_no_error_of_a_model(classifiers):
    """What the caller did wrong is not held against a canary."""
    setting = _Setting(classifiers, EVEN)
    for _ in range(40):
        with pytest.raises(InvalidImage):
            setting.service.predict(pictures.forged_png(10, 10), Deadline.after(30))
    assert setting.counts.errors == []
    assert setting.counts.rollbacks == []


def test_what_is_asked_for_by_version_is_not_watched(classifiers):
    """Requests that name a version say nothing of a route."""
    setting = _Setting(classifiers, EVEN)
    _break(setting, classifiers)
    for _ in range(40):
        with pytest.raises(RuntimeError):
            setting.answered_by(version="2")
    assert len(setting.counts.errors) == 40
    assert setting.counts.rollbacks == []


def test_another_may_take_a_canary_off(classifiers):
    """Where all workers follow one state, that is told; who comes second counts nothing."""
    setting, told = _Setting(classifiers, EVEN), []

    def take_off(alias, target, rollback):
        told.append((alias, target.version, rollback.version))
        setting.routing.replace(parse_routes("default=tiny@1"))
        return False

    setting.routing.roll_back_with(take_off)
    _break(setting, classifiers)
    _ask(setting, 40)
    assert told == [("default", "2", "2")]
    assert setting.counts.rollbacks == []
    assert setting.answered_by() == "1"
