"""One bundle in one engine: its answers, and the golden check before it serves."""

import pytest

from tests import pictures
from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import open_bundle
from topfive.classify import classifier as classifier_module
from topfive.classify.classifier import load_classifier
from topfive.engines import EngineOptions
from topfive.errors import EngineRefused, InvalidImage, OperatorError
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


def test_the_golden_answer_is_the_references(classifier, tiny_bundle):
    """The golden picture's classes, asked for as an upload, are those in the manifest."""
    expected = tiny_bundle.manifest.golden.top_five
    golden = sniff(tiny_bundle.golden_png, LIMITS)
    pixels = classifier_module._golden_pixels(tiny_bundle)
    assert pixels.shape == (1, 64, 64, 3)
    assert golden.size == (64, 64)
    logits = classifier.engine.infer(pixels)
    assert int(logits.argmax()) == expected[0].class_id
    classifier.check_golden()


def test_an_altered_golden_confidence_is_refused(copied):
    """A bundle whose reference says something else than the engine does not serve."""
    change_manifest(copied, lambda one: one["golden"]["top_five"][1].update(confidence=0.9))
    with pytest.raises(EngineRefused, match="openvino f32 disagrees with the reference"):
        _load(copied)


def test_an_altered_golden_class_is_refused(copied):
    """A bundle whose reference names another best class does not serve."""
    change_manifest(copied, lambda one: one["golden"]["top_five"].reverse())
    with pytest.raises(EngineRefused, match="tiny 1"):
        _load(copied)


def test_another_golden_picture_is_refused(copied):
    """A bundle whose golden picture is another one, its hash right, does not serve."""
    replace_file(copied, "golden.png", pictures.png(64, 64, seed=5))
    with pytest.raises(EngineRefused, match="the most allowed"):
        _load(copied)


def test_a_graph_of_other_classes_is_refused(copied):
    """A bundle whose graph has more outputs than its labels does not serve."""
    change_manifest(copied, lambda one: one.update(classes=9))
    replace_file(copied, "labels.txt", b"name\n" * 9)
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
    change_manifest(copied, lambda one: one["golden"]["top_five"][1].update(confidence=0.9))
    with pytest.raises(EngineRefused) as refusal:
        _load(copied, EngineOptions("openvino"), frozenset({"avx512_bf16"}))
    # On a CPU without bf16 both are computed, and called, f32.
    assert str(refusal.value).count("disagrees with the reference") == 2


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a crop larger than the resize", lambda one: one["input"].update(resize=32)),
        (
            "a golden class beyond the last",
            lambda one: one["golden"]["top_five"][0].update(class_id=10),
        ),
        ("a crop that the graph does not take", lambda one: one["input"].update(crop=48)),
        ("an unknown layout of weights", lambda one: one.update(layout=2)),
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
    change_manifest(copied, lambda one: one.update(architecture="alexnet"))
    with pytest.raises(EngineRefused, match=r"mobilenet_v2, resnet50"):
        _load(copied, EngineOptions("torch"))


def test_the_precision_told_is_the_one_computed_in(copied):
    """bf16 is called bf16 only where the CPU really has it."""
    asked = EngineOptions("openvino", "bf16")
    has_bf16 = bool(probe_machine().cpu_flags & {"avx512_bf16", "amx_bf16", "bf16"})
    assert _load(copied, asked).engine.precision == ("bf16" if has_bf16 else "f32")


def test_weights_are_for_torch_alone(copied, classifier):
    """Without its weights file a bundle serves in OpenVINO as before; torch says what it lacks."""
    (copied / "weights.safetensors").unlink()
    loaded = _load(copied)
    upload = sniff(pictures.jpeg(), ImageLimits())
    assert loaded.classify(upload, 5).classes == classifier.classify(upload, 5).classes
    loaded.close()
    with pytest.raises(EngineRefused, match=r"weights\.safetensors"):
        _load(copied, EngineOptions("torch", "f32", 1))
