"""One bundle in one engine: its answers, and the golden check before it serves."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save

from tests import pictures
from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import demo_root, open_bundle
from topfive.classify import loading
from topfive.classify.classifier import Classifier
from topfive.classify.loading import engine_source, load_classifier
from topfive.engines import EngineOptions, open_engine
from topfive.engines.contract import EngineCandidate
from topfive.errors import EngineRefused, InternalError, InvalidImage, OperatorError
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine
from topfive.predictions import ImageInfo, ModelRef

LIMITS = ImageLimits()
F32 = EngineOptions("openvino", "f32")
NO_FLAGS = frozenset()


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    """The tiny bundle in OpenVINO."""
    loaded = load_classifier(tiny_bundle, F32, LIMITS, NO_FLAGS)
    yield loaded
    loaded.close()


@pytest.fixture
def copied(tiny_folder, tmp_path):
    """A copy of the tiny bundle to break."""
    return copy_bundle(tiny_folder, tmp_path / "copy")


def _load(folder, options=F32, flags=NO_FLAGS):
    return load_classifier(open_bundle(folder), options, LIMITS, flags)


def test_a_picture_is_classified_with_its_facts(classifier):
    """The answer holds as many classes as asked for, the picture's facts and the time it took."""
    found = classifier.classify(sniff(pictures.rotated_jpeg(6), LIMITS), 5)
    assert len(found.classes) == 5
    assert found.image == ImageInfo("JPEG", 96, 64)
    assert found.decode_ms > 0
    assert found.inference_ms > 0
    assert all(one.class_name == f"class {one.class_id}" for one in found.classes)
    assert classifier.ref == ModelRef("tiny", "1")


def test_all_classes_together_are_certain(classifier):
    """The confidences of all classes add up to one."""
    found = classifier.classify(sniff(pictures.png(), LIMITS), 100)
    assert len(found.classes) == 10
    assert sum(one.confidence for one in found.classes) == pytest.approx(1, abs=1e-5)


def test_the_answer_depends_on_the_picture(classifier):
    """Unlike pictures get unlike answers, like ones the same."""
    first, again, other = (
        classifier.classify(sniff(pictures.png(seed=seed), LIMITS), 10).classes
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_damaged_picture_stays_a_failure(classifier):
    """What cannot be decoded is the caller's failure, not the engine's."""
    with pytest.raises(InvalidImage):
        classifier.classify(sniff(pictures.forged_png(10, 10), LIMITS), 5)


def test_two_steps_give_what_one_gives(classifier):
    """A picture that is prepared first and then inferred gets the same classes."""
    upload = sniff(pictures.png(), LIMITS)
    prepared = classifier.prepare(upload)
    assert prepared.pixels.shape == (1, 64, 64, 3)
    assert classifier.infer(prepared.pixels, 5).classes == classifier.classify(upload, 5).classes


def test_what_another_classifier_prepared_is_used_again(classifier, copied):
    """Pixels that both take alike are the same, others are made of the decoded picture."""
    change_manifest(copied, lambda one: one["input"].update(resize=64, mean=[0.5, 0.5, 0.5]))
    other = Classifier(open_bundle(copied), classifier.engine, LIMITS)
    upload = sniff(pictures.png(), LIMITS)
    prepared = classifier.prepare(upload)
    assert classifier.reuse(prepared) is prepared
    reused = other.reuse(prepared)
    assert reused.decoded is prepared.decoded
    assert (reused.pixels == other.prepare(upload).pixels).all()
    assert (reused.pixels != prepared.pixels).any()


def test_what_was_shrunk_too_far_is_not_used_again(classifier, copied):
    """A JPEG that was shrunk for a small model is too coarse for a large one."""
    change_manifest(copied, lambda one: one["input"].update(resize=300))
    larger = Classifier(open_bundle(copied), classifier.engine, LIMITS)
    shrunk = classifier.prepare(sniff(pictures.jpeg(2000, 2000), LIMITS))
    assert larger.reuse(shrunk) is None
    assert larger.reuse(classifier.prepare(sniff(pictures.png(400, 400), LIMITS))) is not None
    assert classifier.reuse(larger.prepare(sniff(pictures.jpeg(2000, 2000), LIMITS))) is not None


def test_a_model_that_gives_no_numbers_has_failed(classifier, monkeypatch):
    """What is not a number is no confidence: the model's failure, and no answer."""
    monkeypatch.setattr(classifier.engine, "infer", lambda _: np.full(10, np.nan, np.float32))
    with pytest.raises(InternalError, match="not numbers"):
        classifier.classify(sniff(pictures.png(), LIMITS), 5)


def test_the_golden_answer_is_the_references(classifier, tiny_bundle):
    """The golden picture's best class is the one in the manifest."""
    with Image.open(io.BytesIO(tiny_bundle.golden_png)) as golden:
        logits = classifier.engine.infer(np.asarray(golden)[np.newaxis])
    assert int(logits.argmax()) == tiny_bundle.manifest.golden.top_five[0].class_id
    classifier.check_golden()


def test_altered_golden_logits_are_refused(copied):
    """A bundle whose reference says something else than the engine does not serve."""
    _alter_logits(copied)
    with pytest.raises(EngineRefused, match="openvino f32 disagrees with the reference"):
        _load(copied)


def test_another_golden_picture_is_refused(copied):
    """A bundle whose golden picture is another one, its hash right, does not serve."""
    replace_file(copied, "golden.png", pictures.png(64, 64, seed=5))
    # The noise does not depend on the picture: what differs is what classes get over all inputs.
    with pytest.raises(EngineRefused, match=r"worst class is off by .* the most allowed"):
        _load(copied)


def _alter_logits(folder):
    """Turn the order of the reference's classes around."""
    tensors = load_file(folder / "golden.safetensors")
    altered = {name: np.ascontiguousarray(tensor[:, ::-1]) for name, tensor in tensors.items()}
    replace_file(folder, "golden.safetensors", save(altered))


def test_a_graph_of_other_classes_is_refused(copied):
    """A bundle whose graph has more outputs than its labels does not serve."""
    change_manifest(copied, lambda one: one.update(classes=9, heatmap=None))
    replace_file(copied, "labels.txt", b"name\n" * 9)
    tensors = load_file(copied / "golden.safetensors")
    shorter = {name: np.ascontiguousarray(tensor[:, :9]) for name, tensor in tensors.items()}
    replace_file(copied, "golden.safetensors", save(shorter))
    with pytest.raises(EngineRefused, match="outputs, not 9"):
        _load(copied)


def test_an_engine_that_gives_no_numbers_is_refused(copied):
    """Outputs that are not finite do not pass the golden check."""
    graph_weights = bytearray((copied / "model.bin").read_bytes())
    half = len(graph_weights) // 8 * 4
    graph_weights[half:] = b"\x00\x00\xc0\x7f" * ((len(graph_weights) - half) // 4)
    replace_file(copied, "model.bin", bytes(graph_weights))
    with pytest.raises(EngineRefused):
        _load(copied)


def test_a_graph_that_is_not_one_is_refused(copied):
    """A bundle whose graph cannot be read does not serve."""
    replace_file(copied, "model.xml", b"<net/>")
    with pytest.raises(EngineRefused, match="OpenVINO cannot load"):
        _load(copied)


def test_every_candidates_refusal_is_told(copied):
    """Where several precisions were tried, the message says what each of them said."""
    _alter_logits(copied)
    with pytest.raises(EngineRefused) as refusal:
        _load(copied, EngineOptions("openvino"), frozenset({"avx512_bf16"}))
    # On a CPU without bf16 both are computed, and called, f32.
    assert str(refusal.value).count("disagrees with the reference") == 2


def test_a_batch_gets_the_same_logits_beside_another(tiny_bundle):
    """With more at once than slots the graph is there once more, and computes the same."""
    options = EngineOptions("openvino", "f32", slots=1, batch_slots=3)
    loaded = load_classifier(tiny_bundle, options, LIMITS, NO_FLAGS)
    side = loaded.side
    pixels = np.random.default_rng(0).integers(0, 255, (1, side, side, 3), np.uint8)
    alone = loaded.engine.infer(pixels)
    with ThreadPoolExecutor(6) as pool:
        beside = list(pool.map(loaded.engine.infer, [pixels] * 300))
    assert all(np.allclose(one, alone, atol=1e-5) for one in beside)
    loaded.close()


class _Opened:
    """Engines that were opened, each wrapped so that those of some precisions are broken."""

    def __init__(self, broken: set[str]) -> None:
        self.broken = broken
        self.in_bf16: list[np.ndarray] = []
        self.closed: list[str] = []

    def open(self, source, candidate, slots):
        """Open an engine as ever; its precision is called what was asked for."""
        engine = open_engine(source, EngineCandidate("openvino", "f32", ""), slots)
        return _Wrapped(engine, candidate.precision, self)


class _Wrapped:
    """An engine that gives zeros where it is to be broken, and notes when it is closed."""

    name, device = "openvino", "cpu"

    def __init__(self, engine, precision, opened) -> None:
        self.precision, self._engine, self._opened = precision, engine, opened

    def infer(self, pixels):
        """Score pixels, or fail to."""
        logits = self._engine.infer(pixels)
        if "error" in self._opened.broken:
            raise RuntimeError("could not run /opt/kernels")
        if self.precision == "bf16" and self._opened.in_bf16:
            return self._opened.in_bf16.pop(0)
        return logits * (self.precision not in self._opened.broken)

    def infer_with_features(self, pixels):
        """Score pixels in the same way, with the features as ever."""
        return self._engine.infer_with_features(pixels)._replace(logits=self.infer(pixels))

    def close(self):
        """Note it."""
        self._opened.closed.append(self.precision)
        self._engine.close()


@pytest.fixture
def opened(monkeypatch):
    """Open wrapped engines in place of real ones; nothing is broken at first."""
    engines = _Opened(set())
    monkeypatch.setattr(loading, "open_engine", engines.open)
    return engines


BF16_CPU = frozenset({"avx512_bf16"})


def test_what_was_refused_is_kept_and_closed(tiny_folder, opened):
    """The next candidate serves, with the reason of the one that was refused and closed."""
    opened.broken = {"bf16"}
    loaded = _load(tiny_folder, EngineOptions("openvino"), BF16_CPU)
    assert loaded.engine.precision == "f32"
    (refused,) = loaded.refused
    assert (refused.engine, refused.precision) == ("openvino", "bf16")
    assert "times the reference's own error in bf16" in refused.reason
    assert "golden inputs of tiny 1" in refused.detail
    assert opened.closed == ["bf16"]
    loaded.close()


def _logits_with_error(times):
    """Give the digits' golden logits with so many times the reference's own error in bf16."""
    tensors = load_file(demo_root() / "digits" / "1" / "golden.safetensors")
    return list(tensors["f32"] + times * (tensors["bf16"] - tensors["f32"]))


def test_bf16_serves_in_doubt_where_the_same_is_right_in_f32(opened):
    """Chance takes few classes beyond the bounds: then the graph is tried in f32, and closed."""
    opened.in_bf16 = _logits_with_error(3)
    loaded = _load(demo_root() / "digits" / "1", EngineOptions("openvino", "bf16"), BF16_CPU)
    assert loaded.engine.precision == "bf16"
    assert loaded.refused == ()
    assert opened.closed == ["f32"]
    loaded.close()


@pytest.mark.parametrize(("times", "broken"), [(3, {"f32"}), (7, set())])
def test_bf16_is_refused_where_f32_is_wrong_or_the_error_is_large(opened, times, broken):
    """A fault that looks like rounding is seen in f32; what is too large is no rounding."""
    opened.in_bf16, opened.broken = _logits_with_error(times), broken
    with pytest.raises(EngineRefused, match="disagrees with the reference"):
        _load(demo_root() / "digits" / "1", EngineOptions("openvino", "bf16"), BF16_CPU)
    assert opened.closed == ["f32", "bf16"][not broken :]


def test_an_engine_that_agrees_at_once_has_nothing_refused(tiny_folder, opened):
    """Where the first candidate serves, none was refused and none is closed."""
    loaded = _load(tiny_folder, F32, BF16_CPU)
    assert loaded.refused == ()
    assert opened.closed == []
    loaded.close()


def test_every_engine_that_is_refused_is_closed(tiny_folder, opened):
    """Where none agrees, none is left open."""
    opened.broken = {"bf16", "f32"}
    with pytest.raises(EngineRefused, match=r"bf16 disagrees.*f32 disagrees"):
        _load(tiny_folder, EngineOptions("openvino"), BF16_CPU)
    assert opened.closed == ["bf16", "f32"]


def test_an_engine_that_cannot_compute_is_refused(tiny_folder, opened):
    """A library's error while it classifies is a refusal, told in public without its text."""
    opened.broken = {"error"}
    with pytest.raises(EngineRefused, match="cannot compute: could not run") as refusal:
        _load(tiny_folder)
    assert "/opt" in str(refusal.value)
    assert opened.closed == ["f32"]


def test_the_public_reason_of_a_graph_that_is_not_one_holds_no_path(copied):
    """What may be shown to anyone leaves out the folder and the library's own words."""
    replace_file(copied, "model.xml", b"<net/>")
    with pytest.raises(EngineRefused) as refusal:
        open_engine(
            engine_source(open_bundle(copied)), EngineCandidate("openvino", "f32", ""), slots=1
        )
    assert str(copied) in str(refusal.value)
    assert "/" not in refusal.value.public


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a crop larger than the resize", lambda one: one["input"].update(resize=32)),
        (
            "a golden class beyond the last",
            lambda one: one["golden"]["top_five"][0].update(class_id=10),
        ),
        ("a crop that the graph does not take", lambda one: one["input"].update(crop=48)),
        ("an unknown layout of weights", lambda one: one.update(layout=3)),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(copied, what, change):
    """A bundle that contradicts itself is refused as an operator's matter, with no other error."""
    change_manifest(copied, change)
    with pytest.raises(OperatorError):
        _load(copied)


@pytest.mark.parametrize("content", [b"no picture", pictures.png(10, 10), b""])
def test_a_golden_picture_that_is_none_is_refused(copied, content):
    """A golden picture that cannot be used is refused as an operator's matter."""
    replace_file(copied, "golden.png", content)
    with pytest.raises(OperatorError):
        _load(copied)


def test_torch_refuses_weights_of_another_architecture(copied):
    """The torch engine refuses weights that do not fit the architecture in the manifest."""
    change_manifest(copied, lambda one: one.update(architecture_options={"width_mult": 0.5}))
    with pytest.raises(OperatorError):
        _load(copied, EngineOptions("torch"))


def test_torch_refuses_an_unknown_architecture(copied):
    """The torch engine names the architectures it knows."""
    change_manifest(copied, lambda one: one.update(architecture="yolo"))
    with pytest.raises(EngineRefused, match="Known: torchvision's classifiers, such as"):
        _load(copied, EngineOptions("torch"))


def test_the_precision_told_is_the_one_computed_in(copied):
    """bf16 is called bf16 only where the CPU really has it."""
    asked = EngineOptions("openvino", "bf16")
    has_bf16 = bool(probe_machine().cpu_flags & {"avx512_bf16", "amx_bf16", "bf16"})
    loaded = _load(copied, asked)
    assert loaded.engine.precision == ("bf16" if has_bf16 else "f32")
    loaded.close()


def test_weights_are_for_torch_alone(copied, classifier):
    """Without its weights file a bundle serves in OpenVINO as before; torch says what it lacks."""
    (copied / "weights.safetensors").unlink()
    loaded = _load(copied)
    upload = sniff(pictures.jpeg(), ImageLimits())
    assert loaded.classify(upload, 5).classes == classifier.classify(upload, 5).classes
    prepared = loaded.prepare(upload)
    assert loaded.explain(prepared, 5).heatmap == classifier.explain(prepared, 5).heatmap
    loaded.close()
    with pytest.raises(EngineRefused, match=r"weights\.safetensors"):
        _load(copied, EngineOptions("torch", "f32", 1))
