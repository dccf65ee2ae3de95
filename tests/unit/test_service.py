"""The use cases: predict, health, describe, stop."""

import json
import logging
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic, sleep
from types import SimpleNamespace

import pytest

from tests import pictures
from tests.unit.bundle_copies import change_manifest, copy_bundle
from topfive.bundles.store import Bundle, open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.concurrency.limiter import ConcurrencyLimiter, Deadline, Load
from topfive.concurrency.memory import MemoryBudget
from topfive.engines import EngineOptions
from topfive.errors import (
    ClientDisconnected,
    DeadlineExceeded,
    EmptyFile,
    Failure,
    HeatmapUnavailable,
    ImageTooLarge,
    InvalidImage,
    InvalidParameter,
    ModelNotFound,
    ModelUnavailable,
    OutOfMemory,
    Overloaded,
    ShuttingDown,
    UnsupportedFormat,
    WeightsUnreachable,
)
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.predictions import ImageInfo, ModelRef, PredictionOptions
from topfive.registry.registry import Registry
from topfive.service import STALLED_AFTER_S, Service, ServiceLimits
from topfive.settings import parse_settings
from topfive.telemetry.logs import LogOptions, configure_logs
from topfive.wiring import build_service

SIZING = Sizing(workers=1, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
LIMITS = ServiceLimits(ImageLimits(), 30.0)


def _service(
    registry: Registry, limiter: ConcurrencyLimiter | None = None, memory_bytes: int = 10**9
) -> Service:
    return Service(
        registry, limiter or ConcurrencyLimiter(1, 1), MemoryBudget(memory_bytes), SIZING, LIMITS
    )


def _later() -> Deadline:
    return Deadline.after(30)


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    """The tiny bundle in OpenVINO."""
    options = EngineOptions("openvino", "f32", 1)
    loaded = load_classifier(tiny_bundle, options, ImageLimits(), frozenset())
    yield loaded
    loaded.close()


@pytest.fixture
def registry(classifier):
    """A registry in which the tiny model serves."""
    one = Registry("tiny")
    one.activate(one.adopt(classifier))
    return one


@pytest.fixture
def service(registry):
    """A service with one slot and one that may wait."""
    return _service(registry)


def test_a_picture_gets_its_prediction(service):
    """The answer names the model, the classes, the picture and where the time went."""
    found = service.predict(pictures.jpeg(), _later())
    assert found.model == ModelRef("tiny", "1")
    assert len(found.classes) == 5
    assert found.image == ImageInfo("JPEG", 96, 64)
    timings = found.timings
    assert min(timings.decode_ms, timings.inference_ms) > 0
    assert timings.queue_ms >= 0
    assert timings.total_ms >= timings.queue_ms + timings.decode_ms + timings.inference_ms


def test_where_the_class_was_seen_is_told_where_it_is_asked(service):
    """A heatmap is there for those who ask, of the best class, and for nobody else."""
    asked = service.predict(pictures.jpeg(), _later(), PredictionOptions(explains=True))
    plain = service.predict(pictures.jpeg(), _later())
    assert plain.heatmap is None
    assert asked.classes == plain.classes
    assert asked.heatmap.class_id == plain.classes[0].class_id
    assert asked.heatmap.png.startswith(b"\x89PNG")


def test_a_heatmap_that_cannot_be_is_refused_before_any_work(tiny_folder, tmp_path):
    """A bundle of the first layout has none: nothing is decoded, and it is no model's error."""
    folder = copy_bundle(tiny_folder, tmp_path / "older", layout=1, heatmap=None)
    options = EngineOptions("openvino", "f32", 1)
    loaded = load_classifier(open_bundle(folder), options, ImageLimits(), frozenset())
    registry = Registry("tiny")
    registry.activate(registry.adopt(loaded))
    service = _service(registry)
    damaged = pictures.forged_png(10, 10)
    with pytest.raises(HeatmapUnavailable):
        service.predict(damaged, _later(), PredictionOptions(explains=True))
    assert service.predict(pictures.png(), _later()).classes
    service.close()


def test_wrong_heatmaps_are_told_once_to_whoever_runs_it(tiny_folder, tmp_path, capsys):
    """The caller learns that there is none; the log says why, and classes go on."""
    configure_logs(LogOptions("warning", "json"))
    folder = copy_bundle(tiny_folder, tmp_path / "wrong")
    change_manifest(folder, lambda one: one["heatmap"].update(offset_bytes=0))
    options = EngineOptions("openvino", "f32", 1)
    registry = Registry("tiny")
    loaded = load_classifier(open_bundle(folder), options, ImageLimits(), frozenset())
    registry.activate(registry.adopt(loaded))
    service = _service(registry)
    for _ in range(2):
        with pytest.raises(HeatmapUnavailable, match="not those of its reference") as told:
            service.predict(pictures.png(), _later(), PredictionOptions(explains=True))
        assert str(tmp_path) not in told.value.detail
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["model"], line["version"]) == ("heatmaps_refused", "tiny", "1")
    assert "heatmaps are off by" in line["reason"]
    assert service.predict(pictures.png(), _later()).classes
    service.close()


def test_as_many_classes_as_asked_for(service):
    """`top_k` counts the classes, up to those that the model has."""
    assert len(service.predict(pictures.png(), _later(), PredictionOptions(top_k=1)).classes) == 1
    assert (
        len(service.predict(pictures.png(), _later(), PredictionOptions(top_k=100)).classes) == 10
    )


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"", EmptyFile),
        (b"text", UnsupportedFormat),
        (pictures.forged_png(30_000, 30_000), ImageTooLarge),
        (pictures.forged_png(10, 10), InvalidImage),
    ],
)
def test_bad_pictures_fail_and_leave_nothing(registry, data, failure):
    """Whatever fails, queue slots, permits and leases come back."""
    limiter = ConcurrencyLimiter(1, 0)
    service = _service(registry, limiter)
    for _ in range(3):
        with pytest.raises(failure):
            service.predict(data, _later())
    assert limiter.load() == Load(0, 0)
    assert registry.lease_count == 0
    assert service.predict(pictures.png(), _later()).classes


def test_what_is_refused_by_its_header_needs_no_place(registry):
    """A full service still tells a bad picture from a good one."""
    limiter = ConcurrencyLimiter(1, 0)
    service = _service(registry, limiter)
    with limiter.queue_slot():
        with pytest.raises(UnsupportedFormat):
            service.predict(b"text", _later())
        with pytest.raises(Overloaded):
            service.predict(pictures.png(), _later())


def test_another_model_or_version_is_not_found(service):
    """What is asked for by name is that or nothing."""
    assert service.predict(
        pictures.png(), _later(), PredictionOptions(model="tiny", version="1")
    ).classes
    with pytest.raises(ModelNotFound):
        service.predict(pictures.png(), _later(), PredictionOptions(model="other"))
    with pytest.raises(ModelNotFound):
        service.predict(pictures.png(), _later(), PredictionOptions(version="2"))


def test_without_a_model_there_is_no_prediction():
    """A service whose model is missing says so, and since when it may help to ask again."""
    service = _service(Registry("tiny"))
    with pytest.raises(ModelUnavailable) as refusal:
        service.predict(pictures.png(), _later())
    assert refusal.value.retry_after_s


def test_expired_work_never_reaches_the_model(registry):
    """Past its deadline a picture is neither decoded nor classified."""
    service = _service(registry)
    with pytest.raises(DeadlineExceeded):
        service.predict(pictures.forged_png(10, 10), Deadline.after(-1))


def test_work_for_a_client_that_has_gone_is_not_done(registry):
    """Whoever hung up while waiting is not decoded for, and what was held comes back."""
    limiter = ConcurrencyLimiter(1, 0)
    service = _service(registry, limiter)
    with pytest.raises(ClientDisconnected):
        service.predict(pictures.forged_png(10, 10), _later(), is_abandoned=lambda: True)
    assert limiter.load() == Load(0, 0)


@pytest.mark.parametrize(
    ("has_gone", "failure"), [(True, ClientDisconnected), (False, DeadlineExceeded)]
)
def test_who_left_while_waiting_is_not_called_late(registry, has_gone, failure):
    """Where time is up, whether the client is still there decides what it is called."""
    service = _service(registry)
    with pytest.raises(failure):
        service.predict(pictures.png(), Deadline.after(-1), is_abandoned=lambda: has_gone)


def test_a_picture_beyond_the_memory_is_refused(registry):
    """Where decoding would take more than there is, it does not begin."""
    service = _service(registry, memory_bytes=1000)
    with pytest.raises(OutOfMemory):
        service.predict(pictures.png(), _later())
    with pytest.raises(Failure, match="damaged"):
        service.predict(pictures.forged_png(1, 1), _later())


def _called(name: str, bundle: Bundle) -> Classifier:
    """Make a classifier of that name, with an engine that only can be closed."""
    manifest = bundle.manifest.model_copy(update={"name": name})
    engine = SimpleNamespace(close=lambda: None, name="openvino", precision="f32")
    return Classifier(Bundle(bundle.folder, manifest, bundle.labels), engine, ImageLimits())


def test_health_tells_the_three_states(classifier, tiny_bundle):
    """Unavailable, degraded on the stand-in, healthy on the desired model."""
    registry = Registry("tiny")
    service = _service(registry)
    health = service.health()
    assert (health.status, health.is_loaded, health.model) == ("unavailable", False, "tiny")
    assert health.model_version is None
    assert health.reason
    assert not service.is_ready()
    stand_in = _called("stand-in", tiny_bundle)
    registry.stand_in(registry.adopt(stand_in), "Its weights are not here.")
    health = service.health()
    assert (health.status, health.is_loaded, health.model) == ("degraded", True, "stand-in")
    assert health.reason == "Its weights are not here."
    assert service.is_ready()
    registry.activate(registry.adopt(classifier))
    health = service.health()
    assert (health.status, health.model_version, health.reason) == ("healthy", "1", None)


def test_health_has_a_clock(service):
    """The time is now in UTC, and the uptime only grows."""
    first, second = service.health(), service.health()
    assert first.at.tzinfo is UTC
    assert abs((datetime.now(UTC) - first.at).total_seconds()) < 60
    assert 0 <= first.uptime_s <= second.uptime_s


def test_a_draining_service_finishes_but_is_not_ready(service):
    """Who already came in is answered; load balancers are told to look elsewhere."""
    assert service.is_ready()
    service.drain()
    assert not service.is_ready()
    assert service.predict(pictures.png(), _later()).classes
    assert service.health().status == "healthy"


def test_a_closed_service_refuses(tiny_folder):
    """After closing nothing is taken on, the model is gone and recovery has stopped."""

    class Stoppable:
        stopped = False

        def stop(self) -> None:
            self.stopped = True

    recovery = Stoppable()
    service = build_service(_settings(tiny_folder))
    service.recover_with(recovery)
    service.close()
    assert recovery.stopped
    assert not service.is_ready()
    with pytest.raises(ShuttingDown) as refusal:
        service.predict(pictures.png(), _later())
    assert refusal.value.retry_after_s == 1
    assert service.health().status == "unavailable"


def test_stuck_work_makes_it_not_ready(registry, monkeypatch):
    """A prediction that goes on for too long is seen, and takes the worker out of service."""
    limiter = ConcurrencyLimiter(2, 0)
    service = _service(registry, limiter)
    assert service.oldest_run_s() == 0
    with limiter.permit(_later()):
        assert service.is_ready()
        now_s = monotonic()
        monkeypatch.setattr(
            "topfive.concurrency.limiter.monotonic", lambda: now_s + STALLED_AFTER_S + 1
        )
        assert service.oldest_run_s() > STALLED_AFTER_S
        assert not service.is_ready()
    assert service.is_ready()


def test_a_picture_waits_for_its_turn(registry):
    """With one slot taken a second picture waits in the queue, and then is answered."""
    limiter, may_leave, answers = ConcurrencyLimiter(1, 1), Event(), []
    service = _service(registry, limiter)

    def hold() -> None:
        with limiter.queue_slot(), limiter.permit(_later()):
            may_leave.wait(30)

    threads = [
        Thread(target=hold),
        Thread(target=lambda: answers.append(service.predict(pictures.png(), _later()))),
    ]
    for count, thread in enumerate(threads, start=1):
        thread.start()
        while sum((limiter.load().working, limiter.load().waiting)) < count:
            sleep(0.001)
    with pytest.raises(Overloaded):
        service.predict(pictures.png(), _later())
    may_leave.set()
    for thread in threads:
        thread.join()
    assert answers[0].timings.queue_ms > 0


def test_it_describes_itself(service, classifier):
    """What is served, what was desired, the sizes and the limits."""
    described = service.describe()
    assert described.state.serving is classifier
    assert (described.desired, described.sizing, described.limits) == ("tiny", SIZING, LIMITS)


def _settings(model, **others):
    variables = {"TOPFIVE_MODEL": str(model), "TOPFIVE_ENGINE": "openvino"}
    return parse_settings(variables | others)


def test_wiring_joins_a_service_that_predicts(tiny_folder, tmp_path):
    """From settings alone comes a service that answers."""
    service = build_service(_settings(tiny_folder, TOPFIVE_SLOTS="2", TOPFIVE_QUEUE="3"))
    try:
        assert service.health().status == "healthy"
        assert service.predict(pictures.webp(), _later()).image.format == "WEBP"
        assert (service.describe().sizing.slots, service.describe().sizing.queue) == (2, 3)
    finally:
        service.close()


def test_wiring_serves_the_fallback_while_an_official_model_is_missing(tiny_folder, tmp_path):
    """Without the desired model the stand-in answers, and says that it is one."""
    settings = _settings(
        "mobilenet_v2", TOPFIVE_FALLBACK_MODEL=str(tiny_folder), TOPFIVE_MODELS_DIR=str(tmp_path)
    )
    service = build_service(settings, refusal=WeightsUnreachable("No route to secret-host."))
    try:
        health = service.health()
        assert (health.status, health.model) == ("degraded", "tiny")
        assert health.reason == (
            "The weights of mobilenet_v2 could not be downloaded. "
            "The service keeps trying; its log says more."
        )
        found = service.predict(pictures.png(), _later())
        assert (found.model.name, found.is_degraded) == ("tiny", True)
    finally:
        service.close()


def test_no_fallback_stands_in_for_what_waiting_cannot_heal(tiny_folder, tmp_path):
    """A bundle that is not there is told in words fit for anyone, and nothing else answers."""
    missing = tmp_path / "secret-place" / "desired"
    service = build_service(_settings(missing, TOPFIVE_FALLBACK_MODEL=str(tiny_folder)))
    try:
        health = service.health()
        assert (health.status, health.model) == ("unavailable", "desired")
        assert health.reason == "The bundle of desired is damaged. The service's log says more."
    finally:
        service.close()


@pytest.mark.parametrize("fallback", ["", "no-such-model"])
def test_wiring_survives_without_any_model(tmp_path, fallback):
    """A service with nothing to serve starts all the same, and says so."""
    settings = _settings(
        tmp_path / "desired",
        TOPFIVE_FALLBACK_MODEL=fallback,
        TOPFIVE_MODELS_DIR=str(tmp_path),
    )
    service = build_service(settings)
    try:
        assert service.health().status == "unavailable"
        with pytest.raises(ModelUnavailable):
            service.predict(pictures.png(), _later())
    finally:
        service.close()


def test_a_further_model_that_is_not_here_yet_is_waited_for(tmp_path):
    """The others answer, those who name it are told, and it is loaded when it has come."""
    settings = _settings("digits", TOPFIVE_MODELS="resnet50", TOPFIVE_MODELS_DIR=str(tmp_path))
    service = build_service(settings)
    try:
        health = service.health()
        assert (health.status, health.model) == ("degraded", "digits")
        assert health.reason is not None
        assert health.reason.startswith("The bundle of resnet50 is not here yet.")
        with pytest.raises(ModelUnavailable, match="resnet50 is not loaded yet"):
            service.predict(pictures.png(), _later(), PredictionOptions(model="resnet50"))
        assert service.predict(pictures.png(), _later()).model.name == "digits"
    finally:
        service.close()


def test_further_models_are_loaded_beside_the_desired_one(tiny_folder):
    """Each answers to its name, also where a version is part of it, and none is degraded."""
    service = build_service(_settings("digits", TOPFIVE_MODELS=str(tiny_folder)))
    try:
        for asked, answering in (
            ({}, "digits"),
            ({"model": "tiny"}, "tiny"),
            ({"model": "tiny@1"}, "tiny"),
            ({"model": "digits", "version": "latest"}, "digits"),
            ({"version": "1"}, "digits"),
        ):
            found = service.predict(pictures.png(), _later(), PredictionOptions(**asked))
            assert (found.model.name, found.is_degraded) == (answering, False)
        with pytest.raises(InvalidParameter):
            service.predict(
                pictures.png(), _later(), PredictionOptions(model="tiny@1", version="2")
            )
    finally:
        service.close()


def test_a_further_model_that_is_damaged_is_told_and_the_others_answer(tiny_folder, tmp_path):
    """What was right at the start, and is not when a worker begins, stops no worker."""
    settings = _settings("digits", TOPFIVE_MODELS=str(tmp_path / "gone"))
    service = build_service(settings)
    try:
        assert service.health().status == "healthy"
    finally:
        service.close()


def test_logging_is_configured_by_name():
    """Every level that can be set is one that logging knows."""
    for level in ("debug", "info", "warning", "error"):
        configure_logs(LogOptions(level, "json"))
        assert logging.getLogger().level == getattr(logging, level.upper())
