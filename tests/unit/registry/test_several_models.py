"""Several models and versions in one registry: which answer, make room, or are refused."""

from threading import Event, Thread

import pytest

from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.store import open_bundle
from topfive.bundles.versions import ModelReference, parse_reference
from topfive.classify.classifier import Classifier
from topfive.errors import (
    BundleRefused,
    ModelBusy,
    ModelNotFound,
    ModelTooLarge,
    ModelUnavailable,
)
from topfive.images.limits import ImageLimits
from topfive.predictions import ModelRef
from topfive.registry.known import KnownBundles
from topfive.registry.memory import ModelMemory
from topfive.registry.registry import Registry
from topfive.registry.status import ModelState, ModelStatus

MIB = 1024**2
# What the weights of the tiny bundle are expected to take.
ONE_BYTES = 26 * MIB


class ClosableEngine:
    """The least an engine can be: it knows whether it was closed."""

    name, precision, device = "openvino", "f32", "cpu"

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture(scope="module")
def root(tiny_folder, tmp_path_factory):
    """A models directory with flowers in three versions, and birds in one."""
    folder = tmp_path_factory.mktemp("models")
    for version in ("1.0.0", "1.9.0", "1.10.0"):
        copy_bundle(tiny_folder, folder / "flowers" / version, name="flowers", version=version)
    copy_bundle(tiny_folder, folder / "birds" / "1", name="birds", version="1")
    return folder


@pytest.fixture
def engines():
    """The engines that were opened, by the version of their model."""
    return {}


@pytest.fixture
def open_one(engines):
    """Opens a bundle, with an engine that can only be closed."""

    def open_folder(folder):
        bundle = open_bundle(folder)
        engine = engines[bundle.manifest.version] = ClosableEngine()
        return Classifier(bundle, engine, ImageLimits())

    return open_folder


@pytest.fixture
def registry(root, open_one):
    """A registry in which flowers 1.0.0 answers."""
    one = Registry("flowers", KnownBundles((root,)), open_one)
    one.activate(one.load(parse_reference("flowers@1.0.0")))
    return one


def _small(root, open_one, models: int) -> Registry:
    """Make a registry with memory for so many models, in which flowers 1.0.0 answers."""
    memory = ModelMemory(models * ONE_BYTES, probe=lambda: 0)
    memory.expect_bytes = lambda _: ONE_BYTES
    memory.measure = lambda _, load: (load(), ONE_BYTES)
    one = Registry("flowers", KnownBundles((root,)), open_one, memory)
    one.activate(one.load(parse_reference("flowers@1.0.0")))
    return one


def _states(registry):
    return {(one.ref.name, one.ref.version): one.state for one in registry.statuses()}


def _answers(registry, reference):
    with registry.lease(reference and parse_reference(reference)) as leased:
        return leased.ref


def test_models_and_versions_answer_side_by_side(registry):
    """Each is had by its name, its version or its digest; without either the active one answers."""
    registry.load(parse_reference("flowers@1.10.0"))
    registry.load(parse_reference("birds"))
    digest = next(one.digest for one in registry.statuses() if one.ref.version == "1.10.0")
    assert _answers(registry, None) == ModelRef("flowers", "1.0.0")
    assert _answers(registry, "flowers") == ModelRef("flowers", "1.0.0")
    assert _answers(registry, "flowers@1.10.0") == ModelRef("flowers", "1.10.0")
    assert _answers(registry, "flowers@latest") == ModelRef("flowers", "1.10.0")
    assert _answers(registry, f"flowers@sha256:{digest[:12]}") == ModelRef("flowers", "1.10.0")
    assert _answers(registry, "birds") == ModelRef("birds", "1")
    assert registry.lease_count == 0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (ModelReference("flower"), "Did you mean `flowers`?"),
        (ModelReference("FLOWERS"), "Did you mean `flowers`?"),
        (ModelReference("<b>zzz</b>"), "Known: `birds`, `flowers`."),
        (ModelReference("../flowers/1.0.0"), "There is no model of that name here."),
        (ModelReference("flowers", "1.0.1"), "`1.0.0`"),
        (ModelReference("flowers", "../1"), "no such version of flowers"),
        (ModelReference("flowers", "sha256:000000000000"), "no such version of flowers"),
        (ModelReference("x" * 10**6), "There is no model of that name here."),
    ],
)
def test_the_nearest_names_are_told(registry, asked, told):
    """Who asks for what is not here learns what is; the text that was asked is not repeated."""
    with pytest.raises(ModelNotFound) as refusal, registry.lease(asked):
        pytest.fail("something was leased")
    assert told in refusal.value.detail
    assert "<b>" not in refusal.value.detail
    assert len(refusal.value.detail) < 300


def test_what_is_known_and_not_loaded_is_told_so(registry):
    """The detail says how an operator loads it, and callers when to ask again."""
    with pytest.raises(ModelUnavailable) as refusal, registry.lease(ModelReference("birds")):
        pytest.fail("something was leased")
    assert "birds 1 is known, but not loaded." in refusal.value.detail
    assert "topfive models load birds@1" in refusal.value.detail
    assert refusal.value.retry_after_s == 10


def test_states_are_told(registry):
    """What is on disk is available, what is loaded ready; the active version is marked."""
    assert _states(registry) == {
        ("birds", "1"): ModelState.AVAILABLE,
        ("flowers", "1.0.0"): ModelState.READY,
        ("flowers", "1.9.0"): ModelState.AVAILABLE,
        ("flowers", "1.10.0"): ModelState.AVAILABLE,
    }
    told = {one.ref.version: one for one in registry.statuses() if one.ref.name == "flowers"}
    assert [version for version, one in told.items() if one.is_active] == ["1.0.0"]
    assert (told["1.0.0"].engine, told["1.0.0"].precision) == ("openvino", "f32")
    assert told["1.0.0"].memory_bytes > 0
    assert (told["1.9.0"].engine, told["1.9.0"].memory_bytes) == (None, None)
    assert len(told["1.9.0"].digest) == 64
    assert registry.active("flowers") == "1.0.0"
    assert registry.active("birds") == "1"
    assert registry.active("trees") is None


def test_loading_changes_nothing_for_those_who_name_no_version(registry, engines):
    """A version is loaded beside the active one; only activating it switches, and closes that."""
    ref = registry.load(parse_reference("flowers"))
    assert ref == ModelRef("flowers", "1.0.0")
    registry.load(parse_reference("flowers@latest"))
    assert _answers(registry, "flowers") == ModelRef("flowers", "1.0.0")
    registry.activate(parse_reference("flowers@1.10.0"))
    assert _answers(registry, None) == ModelRef("flowers", "1.10.0")
    assert (engines["1.0.0"].closed, engines["1.10.0"].closed) == (1, 0)
    assert _states(registry)["flowers", "1.0.0"] is ModelState.AVAILABLE


def test_what_is_not_loaded_cannot_be_activated(registry):
    """What answers goes on."""
    with pytest.raises(ModelUnavailable, match="not loaded"):
        registry.activate(parse_reference("flowers@1.9.0"))
    with pytest.raises(ModelNotFound):
        registry.activate(parse_reference("flowers@3"))
    assert _answers(registry, None) == ModelRef("flowers", "1.0.0")


@pytest.mark.parametrize("how", ["pinned", "kept", "routed"])
def test_some_stay_when_another_becomes_active(registry, engines, how):
    """What settings, an order or a route keeps loaded can still be named."""
    first = ModelRef("flowers", "1.0.0")
    if how == "pinned":
        registry.load(first, is_pinned=True)
    else:
        registry.hold(**{how: [first]})
    registry.activate(registry.load(parse_reference("flowers@1.9.0")))
    assert engines["1.0.0"].closed == 0
    assert _answers(registry, "flowers@1.0.0") == first


def test_a_leased_version_drains(registry, engines):
    """It works until its last lease is back, and is told to drain meanwhile."""
    registry.load(parse_reference("flowers@1.9.0"))
    with registry.lease():
        registry.activate(parse_reference("flowers@1.9.0"))
        assert _states(registry)["flowers", "1.0.0"] is ModelState.DRAINING
        assert engines["1.0.0"].closed == 0
        with pytest.raises(ModelUnavailable), registry.lease(ModelRef("flowers", "1.0.0")):
            pytest.fail("what drains was leased")
        draining = engines["1.0.0"]
        registry.load(ModelRef("flowers", "1.0.0"))
        assert _states(registry)["flowers", "1.0.0"] is ModelState.READY
    assert (draining.closed, engines["1.0.0"].closed) == (1, 0)


def test_the_least_recently_used_makes_room(root, open_one, engines):
    """Where memory is short, whoever was asked for longest ago is unloaded, and only that one."""
    registry = _small(root, open_one, models=3)
    registry.load(parse_reference("birds"))
    registry.load(parse_reference("flowers@1.9.0"))
    _answers(registry, "birds")
    registry.load(parse_reference("flowers@1.10.0"))
    assert (engines["1.9.0"].closed, engines["1"].closed, engines["1.0.0"].closed) == (1, 0, 0)
    assert _states(registry)["flowers", "1.9.0"] is ModelState.AVAILABLE


def test_the_default_pinned_routed_and_leased_make_no_room(root, open_one, engines):
    """A load that would need their memory is refused with what it wanted and had, and they stay."""
    registry = _small(root, open_one, models=3)
    registry.load(parse_reference("birds"), is_pinned=True)
    registry.hold(routed=[registry.load(parse_reference("flowers@1.9.0"))])
    for _ in range(2):
        with pytest.raises(ModelTooLarge, match=r"needs about 26 MB .* the 78 MB .* 0 MB can"):
            registry.load(parse_reference("flowers@1.10.0"))
    registry.hold()
    with (
        registry.lease(ModelRef("flowers", "1.9.0")),
        pytest.raises(ModelTooLarge),
    ):
        registry.load(parse_reference("flowers@1.10.0"))
    assert [engine.closed for engine in engines.values()] == [0, 0, 0]
    registry.load(parse_reference("flowers@1.10.0"))
    assert engines["1.9.0"].closed == 1


def test_a_refused_load_leaves_what_answers(root, engines, open_one):
    """The reason is told in public words, and a later load may succeed."""
    is_damaged = [True]

    def open_folder(folder):
        if is_damaged[0] and folder.name == "1.9.0":
            raise BundleRefused(f"{folder} is damaged", public="its labels are not UTF-8 text.")
        return open_one(folder)

    registry = Registry("flowers", KnownBundles((root,)), open_folder)
    registry.activate(registry.load(parse_reference("flowers@1.0.0")))
    with pytest.raises(BundleRefused):
        registry.load(parse_reference("flowers@1.9.0"))
    failed = next(one for one in registry.statuses() if one.ref.version == "1.9.0")
    assert (failed.state, failed.reason) == (ModelState.FAILED, "its labels are not UTF-8 text.")
    with (
        pytest.raises(ModelUnavailable, match=r"could not be loaded: its labels"),
        registry.lease(failed.ref),
    ):
        pytest.fail("a failed model was leased")
    assert _answers(registry, None) == ModelRef("flowers", "1.0.0")
    is_damaged[0] = False
    registry.load(failed.ref)
    assert _answers(registry, "flowers@1.9.0") == failed.ref


def test_a_fault_while_loading_does_not_leave_it_loading(root, open_one):
    """Also what nobody foresaw makes it failed, without a library's text."""

    def open_folder(folder):
        raise MemoryError("secret")

    registry = Registry("flowers", KnownBundles((root,)), open_folder)
    with pytest.raises(MemoryError):
        registry.load(parse_reference("birds"))
    failed = next(one for one in registry.statuses() if one.ref.name == "birds")
    assert failed.state is ModelState.FAILED
    assert "secret" not in failed.reason


def test_two_loads_of_one_version_at_once(root, open_one):
    """The second is told to wait, requests that it is being loaded, and nobody unloads it."""
    is_opening, may_go_on = Event(), Event()

    def open_folder(folder):
        is_opening.set()
        may_go_on.wait(30)
        return open_one(folder)

    registry = Registry("flowers", KnownBundles((root,)), open_folder)
    ref = ModelRef("birds", "1")
    loading = Thread(target=registry.load, args=(ref,))
    loading.start()
    is_opening.wait(30)
    try:
        assert _states(registry)["birds", "1"] is ModelState.LOADING
        with pytest.raises(ModelBusy):
            registry.load(ref)
        with pytest.raises(ModelBusy):
            registry.unload(ref)
        with pytest.raises(ModelUnavailable, match="is being loaded"), registry.lease(ref):
            pytest.fail("leased while it was loaded")
    finally:
        may_go_on.set()
        loading.join()
    assert _answers(registry, "birds") == ref


def test_unloading(registry, engines):
    """A version that nobody needs is closed; unloading it again, or what never was, is no error."""
    ref = registry.load(parse_reference("flowers@1.9.0"))
    assert registry.unload(ref) == ref
    assert engines["1.9.0"].closed == 1
    registry.unload(ref)
    registry.unload(parse_reference("birds"))
    with pytest.raises(ModelNotFound):
        registry.unload(parse_reference("trees"))


@pytest.mark.parametrize("how", ["active", "pinned", "routed"])
def test_what_is_in_use_is_not_unloaded(registry, engines, how):
    """The active version, a pinned and a routed one stay, and the detail says what to do first."""
    ref = registry.load(parse_reference("flowers@1.9.0"), is_pinned=how == "pinned")
    if how == "active":
        ref = ModelRef("flowers", "1.0.0")
    if how == "routed":
        registry.hold(routed=[ref])
    told = {"active": "Activate another", "pinned": "TOPFIVE_MODELS", "routed": "route first"}
    with pytest.raises(ModelBusy, match=told[how]):
        registry.unload(ref)
    assert engines[ref.version].closed == 0


def test_a_model_that_is_waited_for_is_told(registry, tiny_folder, root):
    """What settings name and is not here yet has its reason, until it is loaded."""
    ref = ModelRef("resnet50", "imagenet1k-v2")
    reason = "Its weights could not be downloaded."
    status = ModelStatus(ref, "", "resnet50", 1000, ModelState.FAILED, reason, is_pinned=True)
    registry.note_missing(status)
    assert status in registry.statuses()
    with pytest.raises(ModelUnavailable), registry.lease(ModelReference("resnet50")):
        pytest.fail("something was leased")


def test_a_pinned_fallback_stays_and_stands_in_no_more(root, open_one):
    """Where settings name the fallback too, it can be asked for when the desired model is there."""
    registry = Registry("flowers", KnownBundles((root,)), open_one)
    birds = registry.load(parse_reference("birds"), is_pinned=True)
    registry.stand_in(birds, "not yet")
    with registry.lease() as leased:
        assert registry.is_stand_in(leased)
    registry.activate(registry.load(parse_reference("flowers@1.0.0")))
    with registry.lease(birds) as leased:
        assert not registry.is_stand_in(leased)
    assert _answers(registry, None) == ModelRef("flowers", "1.0.0")


def test_another_version_of_the_desired_model_is_not_it(root, open_one):
    """Until the version that settings mean is there, others of its name do not answer for it."""
    registry = Registry("flowers", KnownBundles((root,)), open_one)
    registry.load(parse_reference("flowers@1.9.0"), is_pinned=True)
    assert registry.state.serving is None
    assert _answers(registry, "flowers@1.9.0") == ModelRef("flowers", "1.9.0")
