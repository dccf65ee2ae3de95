"""Which engines are tried, in which order, and why."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from topfive.engines import EngineOptions, EngineSource, choice, engine_candidates, open_engine
from topfive.engines.contract import EngineCandidate
from topfive.errors import EngineRefused

PLAIN = frozenset({"avx2", "avx512f"})


@pytest.fixture(autouse=True)
def _no_cuda(monkeypatch, tmp_path):
    """Let no test depend on this machine's devices."""
    monkeypatch.setattr(choice, "_CUDA_DEVICE", tmp_path / "nothing")


@pytest.fixture
def tiny_source(tiny_bundle):
    """What an engine must know to run the tiny bundle."""
    manifest = tiny_bundle.manifest
    return EngineSource(
        architecture=manifest.architecture,
        architecture_options=manifest.architecture_options,
        classes=manifest.classes,
        side=manifest.input.crop,
        mean=manifest.input.mean,
        std=manifest.input.std,
        graph_file=tiny_bundle.folder / "model.xml",
        weights_file=tiny_bundle.folder / "weights.safetensors",
        features_output=manifest.heatmap.output,
    )


def _names(options: EngineOptions, flags: frozenset[str]) -> list[str]:
    return [f"{one.engine} {one.precision}" for one in engine_candidates(options, flags)]


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_native_bf16_is_tried_before_f32(flag):
    """A CPU that computes in bf16 by itself is given the chance, and f32 stands behind it."""
    for engine in ("auto", "openvino"):
        found = engine_candidates(EngineOptions(engine), PLAIN | {flag})
        assert [one.precision for one in found] == ["bf16", "f32"]
        assert flag in found[0].reason


def test_other_cpus_compute_in_f32():
    """Without native bf16 only f32 is tried, and the reason says so."""
    (only,) = engine_candidates(EngineOptions(), PLAIN)
    assert (only.engine, only.precision) == ("openvino", "f32")
    assert "no native bf16" in only.reason


def test_a_precision_that_nothing_can_do_is_refused_before_anything_is_loaded():
    """The message names the setting and the precisions that would do."""
    with pytest.raises(EngineRefused, match=r"TOPFIVE_PRECISION=int8.*auto, f32, bf16"):
        engine_candidates(EngineOptions("openvino", "int8"), PLAIN)


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_native_int8_is_tried_first_where_the_bundle_has_it(flag):
    """It serves only if it is faster than what comes next; without a graph it is not tried."""
    flags = PLAIN | {flag, "avx512_bf16"}
    found = engine_candidates(EngineOptions(), flags, has_int8=True)
    assert [one.precision for one in found] == ["int8", "bf16", "f32"]
    assert [one.must_be_faster for one in found] == [True, False, False]
    assert flag in found[0].reason
    assert _names(EngineOptions(), flags) == ["openvino bf16", "openvino f32"]


def test_other_cpus_are_spared_int8():
    """Without native int8 a bundle's int8 graph is not tried, unless it is asked for."""
    found = engine_candidates(EngineOptions(), PLAIN, has_int8=True)
    assert [one.precision for one in found] == ["f32"]
    (only,) = engine_candidates(EngineOptions("auto", "int8"), PLAIN, has_int8=True)
    assert (only.engine, only.precision, only.must_be_faster) == ("openvino", "int8", False)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_precision_asked_for_is_the_only_one_tried(precision):
    """An operator's choice is not overruled by what the CPU has."""
    flags = PLAIN | {"avx512_bf16"}
    assert _names(EngineOptions("openvino", precision), flags) == [f"openvino {precision}"]
    assert _names(EngineOptions("auto", precision), flags) == [f"openvino {precision}"]


def test_a_cuda_device_comes_first(monkeypatch, tmp_path):
    """Where there is a CUDA device, torch is tried first and OpenVINO stands behind it."""
    device = tmp_path / "device"
    device.touch()
    monkeypatch.setattr(choice, "_CUDA_DEVICE", device)
    flags = PLAIN | {"bf16"}
    assert _names(EngineOptions(), flags) == ["torch f32", "openvino bf16", "openvino f32"]
    assert _names(EngineOptions("openvino"), flags) == ["openvino bf16", "openvino f32"]
    assert _names(EngineOptions("auto", "bf16"), flags) == ["torch bf16", "openvino bf16"]


def test_torch_when_asked_for():
    """Torch is tried alone where it is asked for, in f32 unless bf16 is asked for too."""
    assert _names(EngineOptions("torch"), PLAIN) == ["torch f32"]
    assert _names(EngineOptions("torch", "f32"), PLAIN) == ["torch f32"]
    assert _names(EngineOptions("torch", "bf16"), PLAIN) == ["torch bf16"]


def test_torch_in_int8_is_refused():
    """The message says what to set instead."""
    with pytest.raises(EngineRefused, match="TOPFIVE_PRECISION=f32"):
        engine_candidates(EngineOptions("torch", "int8"), PLAIN)


def test_int8_is_not_in_a_bundle(tiny_source):
    """A precision for which a bundle has no graph is refused with those that it has."""
    with pytest.raises(EngineRefused, match="auto, f32, bf16"):
        open_engine(tiny_source, EngineCandidate("openvino", "int8", ""), 1)


@pytest.mark.parametrize(
    ("kind", "precision"), [("openvino", "f32"), ("torch", "f32"), ("torch", "bf16")]
)
def test_an_opened_engine_tells_what_it_is(tiny_source, kind, precision):
    """An engine has a name, a precision and a device, and scores pixels with one value a class."""
    engine = open_engine(tiny_source, EngineCandidate(kind, precision, ""), 1)
    assert (engine.name, engine.precision) == (kind, precision)
    assert engine.device in {"cpu", "cuda"}
    scores = engine.infer(np.zeros((1, 64, 64, 3), np.uint8))
    assert scores.shape == (10,)
    assert scores.dtype == np.float32
    engine.close()


@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_logits_are_the_mean_of_the_features_weighed(tiny_source, kind):
    """Features come with the logits of `infer`, and are what those are made of."""
    engine = open_engine(tiny_source, EngineCandidate(kind, "f32", ""), 1)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    logits, features = engine.infer_with_features(pixels)
    assert (logits == engine.infer(pixels)).all()
    assert features.shape == (2, 2, 1280)
    assert features.dtype == np.float32
    weights = load_file(tiny_source.weights_file)
    rows, bias = weights["classifier.1.weight"], weights["classifier.1.bias"]
    weighed = rows @ features.mean(axis=(0, 1)) + bias
    np.testing.assert_allclose(logits, weighed, atol=1e-3)
    engine.close()


def test_a_graph_without_its_features_is_refused(tiny_source):
    """A bundle that promises heatmaps of a graph that has no such output does not serve."""
    source = replace(tiny_source, features_output="nothing")
    with pytest.raises(EngineRefused, match="has no output 'nothing'") as refusal:
        open_engine(source, EngineCandidate("openvino", "f32", ""), 1)
    assert "/" not in refusal.value.public


def test_what_nobody_wants_is_no_output_of_the_graph(tiny_source):
    """Writing features costs every picture: without them the logits are the same."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    found = {}
    for wanted in ("", tiny_source.features_output):
        source = replace(tiny_source, features_output=wanted)
        engine = open_engine(source, EngineCandidate("openvino", "f32", ""), 1)
        request = engine._slots.queue[0]._request
        found[len(request.get_compiled_model().outputs)] = engine.infer(pixels)
        engine.close()
    assert set(found) == {1, 2}
    np.testing.assert_allclose(found[1], found[2], rtol=1e-5, atol=1e-5)


def test_answers_do_not_change_under_later_ones(tiny_source):
    """What an engine returned is the caller's own: the next inference does not overwrite it."""
    engine = open_engine(tiny_source, EngineCandidate("openvino", "f32", ""), 1)
    first = engine.infer_with_features(np.zeros((1, 64, 64, 3), np.uint8))
    copies = [one.copy() for one in first]
    second = engine.infer_with_features(np.full((1, 64, 64, 3), 200, np.uint8))
    for one, copy, other in zip(first, copies, second, strict=True):
        assert (one == copy).all()
        assert (one != other).any()
    engine.close()


def test_a_missing_graph_is_refused(tiny_source, tmp_path):
    """A graph file that is not there is refused, not an unforeseen error."""
    source = EngineSource(
        **{name: getattr(tiny_source, name) for name in EngineSource.__slots__}
        | {"graph_file": tmp_path / "nothing.xml"}
    )
    with pytest.raises(EngineRefused, match=r"nothing\.xml"):
        open_engine(source, EngineCandidate("openvino", "f32", ""), 1)


MISSING_LIBRARY = """
import sys
sys.modules[sys.argv[1]] = None
from pathlib import Path
from topfive.engines import EngineSource, open_engine
from topfive.engines.contract import EngineCandidate
from topfive.errors import EngineRefused
folder, side = Path("."), (0.5, 0.5, 0.5)
source = EngineSource("mobilenet_v2", {}, 10, 64, side, side, folder, folder)
try:
    open_engine(source, EngineCandidate("torch", "f32", ""), 1)
except EngineRefused as refusal:
    print(refusal)
"""


@pytest.mark.parametrize("library", ["torch", "torchvision"])
def test_a_missing_library_is_refused_in_plain_words(library):
    """Without torch or torchvision, the torch engine says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", MISSING_LIBRARY, library],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "requirements-torch.txt" in done.stdout, done.stderr


def test_openvino_comes_without_its_telemetry():
    """Importing the engine never imports the package that tells a third party of it."""
    code = (
        "import sys, topfive.engines.openvino_engine;"
        "print(sys.modules['openvino_telemetry'], 'openvino' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "True"]
