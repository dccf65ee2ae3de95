"""Orders are checked at once, written down, and told as all workers together have them."""

from dataclasses import replace

import pytest

from tests.unit.bundle_copies import copy_bundle
from tests.unit.registry.workers import ReportsInMemory, StoreInMemory
from topfive.bundles.store import open_bundle
from topfive.bundles.versions import parse_reference
from topfive.classify.classifier import Classifier
from topfive.errors import (
    InvalidParameter,
    ModelBusy,
    ModelNotFound,
    ModelRefused,
    ModelUnavailable,
    StateUnavailable,
)
from topfive.images.limits import ImageLimits
from topfive.machine.processes import ProcessId
from topfive.models import RouteView, ShadowView, TargetView, WorkerView
from topfive.predictions import ModelRef
from topfive.registry.followed import FollowedModels
from topfive.registry.follower import Follower, FollowerEvents
from topfive.registry.known import KnownBundles
from topfive.registry.registry import Registry
from topfive.registry.reports import ModelReport, WorkerReport
from topfive.service.orders import OrderLinks, Orders

SETTINGS_ROUTES = {"trial": RouteView((TargetView("flowers", None, 1),))}


class Engine:
    """The least an engine can be."""

    name, precision, device = "openvino", "f32", "cpu"

    def close(self):
        """Do nothing."""


class OneWorker:
    """Orders, a follower that acts only when it is told to, and what was noted."""

    def __init__(self, root):
        self.registry = Registry("flowers", KnownBundles((root,)), _open)
        self.registry.activate(self.registry.load(parse_reference("flowers@1")))
        self.store, self.reports = StoreInMemory(), ReportsInMemory()
        self.routes, self.lost, self.is_over = {}, [], False
        models = FollowedModels(
            self.registry,
            SETTINGS_ROUTES,
            self._take_routes,
            on_loaded=lambda ref: None,
            on_failed=lambda ref, error: None,
        )
        events = FollowerEvents(self.lost.append, lambda: None, lambda ref, reason: None)
        self.follower = Follower(ProcessId(1, 1), models, self.store, self.reports, _Free, events)
        self.follower.begin()
        self.orders = Orders(
            self.registry,
            OrderLinks(
                self.store,
                self.reports,
                self.follower,
                SETTINGS_ROUTES,
                lambda: self.is_over,
                self.lost.append,
            ),
        )

    def act(self, steps=4):
        """Let the worker follow."""
        for _ in range(steps):
            self.follower.step()

    def _take_routes(self, routes):
        self.routes = dict(routes)


class _Free:
    """A lock that nobody else wants."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def _open(folder):
    return Classifier(open_bundle(folder), Engine(), ImageLimits())


@pytest.fixture(scope="module")
def root(tiny_folder, tmp_path_factory):
    """A models directory with flowers in three versions, one damaged, and birds in two."""
    folder = tmp_path_factory.mktemp("models")
    for name, version in (("flowers", "1"), ("flowers", "2"), ("birds", "1"), ("birds", "1.1")):
        copy_bundle(tiny_folder, folder / name / version, name=name, version=version)
    damaged = copy_bundle(tiny_folder, folder / "flowers" / "0.9", name="flowers", version="0.9")
    (damaged / "labels.txt").write_text("changed\n")
    return folder


@pytest.fixture
def one(root):
    """One worker that serves flowers 1."""
    worker = OneWorker(root)
    yield worker
    worker.registry.close()


def test_at_first_all_is_as_settings_say(one):
    """What is on disk is told, loaded or not."""
    told = one.orders.list_models()
    assert (told.generation, told.is_settled) == (0, True)
    states = {(view.name, view.version): view.state for view in told.models}
    assert states == {
        ("birds", "1"): "available",
        ("birds", "1.1"): "available",
        ("flowers", "0.9"): "available",
        ("flowers", "1"): "ready",
        ("flowers", "2"): "available",
    }
    assert told.routes["default"].targets == (TargetView("flowers", None, 100),)
    assert told.routes["trial"] == SETTINGS_ROUTES["trial"]


def test_an_order_is_noted_at_once_and_takes_effect_later(one):
    """Its answer tells the generation, and that not all have followed yet."""
    result = one.orders.activate("flowers", "2")
    assert (result.generation, result.is_settled) == (1, False)
    assert result.model.state == "loading"
    one.act()
    told = one.orders.find_model("flowers", "2")
    assert (told.state, told.is_active, told.routes) == ("ready", True, ("default", "trial"))
    assert one.orders.find_model("flowers", "1").state == "available"
    assert one.orders.activate("flowers", "2").is_settled


def test_versions_are_told_the_highest_first(one):
    """With the one that is active, and the one that is the latest."""
    told = one.orders.list_versions("flowers")
    assert [view.version for view in told.versions] == ["2", "1", "0.9"]
    assert (told.active, told.latest) == ("1", "2")


@pytest.mark.parametrize(("name", "version"), [("bird", "1"), ("flowers", "22")])
def test_what_is_not_there_is_not_found(one, name, version):
    """By any question or order; the nearest names are told."""
    for ask in (one.orders.find_model, one.orders.load, one.orders.activate, one.orders.unload):
        with pytest.raises(ModelNotFound, match="Did you mean"):
            ask(name, version)
    assert one.store.state.generation == 0


def test_a_name_without_versions_is_not_found(one):
    """The nearest names are told."""
    with pytest.raises(ModelNotFound, match="`birds`"):
        one.orders.list_versions("bird")


def test_a_version_that_cannot_be_one_is_a_wrong_parameter(one):
    """It is not looked for."""
    for ask in (one.orders.find_model, one.orders.load):
        with pytest.raises(InvalidParameter, match="version cannot be one"):
            ask("flowers", "../1")


def test_what_is_seen_to_be_damaged_is_refused_at_once(one):
    """No worker is troubled with it."""
    with pytest.raises(ModelRefused, match=r"flowers 0\.9: the sha256 of labels\.txt"):
        one.orders.activate("flowers", "0.9")
    assert one.store.state.generation == 0


def test_what_a_worker_refuses_later_is_told_to_whoever_waits(one):
    """The reason is the worker's."""
    one.reports.write(WorkerReport(ProcessId(2, 2), reached=1, refused={1: "Its memory."}))

    def act_and_tell_time():
        one.act(1)
        return False

    one.orders._links = replace(one.orders._links, is_over=act_and_tell_time)
    with pytest.raises(ModelRefused, match=r"Its memory\."):
        one.orders.activate("flowers", "2", wait_s=60)
    assert one.orders.find_model("flowers", "1").is_active


def test_nobody_waits_for_a_service_that_ends(one):
    """The order is followed by those that come after it."""
    one.is_over = True
    assert not one.orders.activate("flowers", "2", wait_s=3600).is_settled


def test_the_first_version_of_another_name_is_activated(one):
    """A second one is loaded beside it."""
    one.orders.load("birds", "1")
    one.act()
    assert one.store.state.active == {"birds": "1"}
    one.orders.load("birds", "1.1")
    one.act()
    assert one.store.state.active == {"birds": "1"}
    assert one.store.state.loaded == {ModelRef("birds", "1"), ModelRef("birds", "1.1")}


def test_what_is_in_use_is_not_unloaded(one):
    """The default model, an active version beside others, and a routed one."""
    one.orders.load("birds", "1")
    one.act()
    one.orders.load("birds", "1.1")
    one.act()
    for name, version in (("flowers", "1"), ("birds", "1")):
        with pytest.raises(ModelBusy, match=r"is the active version|A route leads to"):
            one.orders.unload(name, version)
    one.orders.set_route("other", RouteView((TargetView("birds", "1.1", 1),)))
    one.act()
    with pytest.raises(ModelBusy, match="A route leads to"):
        one.orders.unload("birds", "1.1")


def test_what_was_just_activated_is_not_unloaded(one):
    """Also where this worker has not switched yet."""
    one.orders.activate("flowers", "2")
    one.act()
    one.orders.activate("flowers", "1")
    one.follower.load_next()
    one.store.state = one.store.state.commit(one.store.state.changes[0])
    with pytest.raises(ModelBusy):
        one.orders.unload("flowers", "1")


def test_what_is_kept_but_gone_from_disk_can_be_given_up(one):
    """Else no order would ever be settled again; another version that is not here is not found."""
    gone = ModelRef("gone", "1")
    one.store.state = replace(one.store.state, generation=1, loaded=frozenset({gone}))
    with pytest.raises(ModelNotFound):
        one.orders.unload("gone", "2")
    assert one.orders.unload("gone", "1").model is None
    assert one.store.state.loaded == frozenset()


def test_what_nothing_uses_is_unloaded(one):
    """A version that was loaded by an order, and the only one of its name."""
    one.orders.load("birds", "1")
    one.act()
    assert one.orders.unload("birds", "1").generation == 3
    one.act()
    assert one.orders.find_model("birds", "1").state == "available"
    assert one.store.state.active == {}


def test_a_route_leads_to_exact_versions_once_they_are_ready(one):
    """`latest` and digests are put into versions, and what its models' names mean is loaded."""
    route = RouteView(
        (TargetView("flowers", "latest", 9), TargetView("birds", None, 1)), ShadowView("birds", "1")
    )
    result = one.orders.set_route("default", route)
    assert not result.is_settled
    assert one.routes.get("default") is None
    one.act()
    expected = replace(route, targets=(TargetView("flowers", "2", 9), TargetView("birds", None, 1)))
    assert one.routes == {**SETTINGS_ROUTES, "default": expected}
    assert one.store.state.active == {"birds": "1.1"}
    ready = {view.version for view in one.orders.list_models().models if view.state == "ready"}
    assert ready == {"1", "2", "1.1"}


def test_a_route_to_what_is_not_there_is_refused(one):
    """Nothing of it is taken."""
    for route in (
        RouteView((TargetView("flowers", "1", 1), TargetView("bees", None, 1))),
        RouteView((TargetView("flowers", "1", 1),), ShadowView("flowers", "22")),
    ):
        with pytest.raises(ModelNotFound):
            one.orders.set_route("default", route)
    with pytest.raises(ModelRefused):
        one.orders.set_route("default", RouteView((TargetView("flowers", "0.9", 1),)))
    assert one.store.state.generation == 0


@pytest.mark.parametrize(
    ("alias", "targets", "told"),
    [
        ("default", (TargetView("flowers", "2", 1), TargetView("flowers", "latest", 1)), "twice"),
        ("default", (TargetView("flowers", "2", 0),), "no target has a weight above 0"),
        ("../other", (TargetView("flowers", "2", 1),), "cannot be an alias"),
    ],
)
def test_a_route_that_makes_no_sense_is_a_wrong_parameter(one, alias, targets, told):
    """Also where only its exact versions show it."""
    with pytest.raises(InvalidParameter, match=told):
        one.orders.set_route(alias, RouteView(targets))
    assert one.store.state.generation == 0


def test_a_route_can_be_changed_at_once(one):
    """For targets that every worker has; a change that changes nothing makes no generation."""
    half = RouteView((TargetView("flowers", None, 2),))
    assert one.orders.change_route("trial", lambda _: half)
    assert not one.orders.change_route("trial", lambda _: half)
    assert one.store.state.generation == 1
    one.act()
    assert one.routes["trial"] == half


def test_an_order_that_cannot_be_written_down_is_told(one, monkeypatch):
    """The cause is for the log alone."""

    def fail(*_):
        raise StateUnavailable("/models/.state.json cannot be written: No space left.")

    monkeypatch.setattr(one.store, "change", fail)
    with pytest.raises(ModelUnavailable, match="nothing has changed") as refusal:
        one.orders.activate("flowers", "2")
    assert refusal.value.retry_after_s == 5
    assert "/models" not in refusal.value.detail
    assert "No space left" in str(one.lost[0])


def test_while_the_state_cannot_be_read_this_worker_tells_what_it_has(one, monkeypatch):
    """It is not settled, since nobody knows of the others."""

    def fail():
        raise StateUnavailable("away")

    monkeypatch.setattr(one.store, "read", fail)
    told = one.orders.list_models()
    assert not told.is_settled
    assert ("flowers", "1", "ready") in {(m.name, m.version, m.state) for m in told.models}


@pytest.mark.parametrize(
    ("other", "state", "workers"),
    [
        ("ready", "ready", ()),
        (None, "loading", ("ready", "available")),
        ("loading", "loading", ("ready", "loading")),
        ("failed", "failed", ("ready", "failed")),
        ("draining", "draining", ("ready", "draining")),
    ],
)
def test_workers_that_differ_are_told_one_by_one(one, other, state, workers):
    """One state is told for all of them, and each its own while they differ."""
    ref = ModelRef("flowers", "1")
    reason = "Its memory." if other == "failed" else None
    models = (ModelReport(ref, other, reason),) if other else ()
    one.reports.write(WorkerReport(ProcessId(2, 2), reached=0, models=models))
    told = one.orders.find_model("flowers", "1")
    assert (told.state, told.reason) == (state, reason)
    assert tuple(view.state for view in told.workers) == workers
    if workers:
        assert told.workers[1] == WorkerView(2, workers[1], reason)


def test_a_refusal_that_is_over_is_no_disagreement(one):
    """Of a version that nobody has, the reason why one worker could not load it stays."""
    ref = ModelRef("flowers", "2")
    failed = ModelReport(ref, "failed", "Its memory.")
    one.reports.write(WorkerReport(ProcessId(2, 2), reached=0, models=(failed,)))
    told = one.orders.find_model("flowers", "2")
    assert (told.state, told.reason, told.workers) == ("failed", "Its memory.", ())
