"""A bundle with an int8 graph: when that serves, and what is said where it does not."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from tests import pictures
from tests.unit.bundle_copies import add_int8_graph, change_manifest, copy_bundle, replace_file
from topfive.bundles.store import open_bundle
from topfive.classify import loading
from topfive.classify.loading import load_classifier
from topfive.classify.speed import is_worth_it, measure_ms
from topfive.engines import EngineOptions
from topfive.errors import BundleRefused, EngineRefused
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff

LIMITS = ImageLimits()
AUTO, INT8 = EngineOptions("openvino"), EngineOptions("openvino", "int8")
VNNI = frozenset({"avx512_vnni"})


@pytest.fixture
def quantized(tiny_folder, tmp_path):
    """A copy of the tiny bundle with an int8 graph, to break."""
    folder = copy_bundle(tiny_folder, tmp_path / "quantized")
    add_int8_graph(folder)
    return folder


@pytest.fixture
def times_ms(monkeypatch):
    """How many milliseconds int8, and what comes next, are said to take."""
    told = [1.0, 2.0]
    monkeypatch.setattr(loading, "measure_ms", lambda *_: told)
    return told


def _load(folder, options=AUTO, flags=VNNI):
    return load_classifier(open_bundle(folder), options, LIMITS, flags)


@pytest.mark.usefixtures("times_ms")
def test_what_is_faster_serves(quantized):
    """The int8 graph answers where the CPU computes in int8 and it was faster."""
    loaded = _load(quantized)
    assert (loaded.engine.precision, loaded.refused) == ("int8", ())
    assert len(loaded.classify(sniff(pictures.png(), LIMITS), 5).classes) == 5
    loaded.close()


def test_what_is_not_faster_does_not_serve(quantized, times_ms):
    """The next one answers, and both times are told."""
    times_ms[:] = [1.9, 2.0]
    loaded = _load(quantized)
    assert loaded.engine.precision == "f32"
    (refused,) = loaded.refused
    assert (refused.engine, refused.precision) == ("openvino", "int8")
    assert refused.reason == "int8 took 1.90 ms here and f32 2.00 ms."
    loaded.close()


def test_what_disagrees_does_not_serve(quantized, monkeypatch):
    """It is not even timed, and the next one answers."""
    monkeypatch.setattr(loading, "measure_ms", pytest.fail)
    tensors = load_file(quantized / "golden.safetensors")
    away = tensors["f32"] - tensors["f32"].mean(axis=1, keepdims=True)
    tensors["int8"] = tensors["f32"] + away * 1e-6
    replace_file(quantized, "golden.safetensors", save(tensors))
    replace_file(quantized, "model.int8.xml", _shifted(quantized / "model.int8.xml"))
    loaded = _load(quantized)
    assert loaded.engine.precision == "f32"
    (refused,) = loaded.refused
    assert "the graph's own error" in refused.reason
    loaded.close()
    with pytest.raises(EngineRefused, match="openvino int8 disagrees"):
        _load(quantized, INT8)


def _shifted(graph_file):
    """Take another mean off the pixels: the first number of a graph that is one."""
    weights = graph_file.with_suffix(".bin")
    numbers = bytearray(weights.read_bytes())
    mean = np.frombuffer(bytes(numbers), np.float32, 3, numbers.find(_MEAN))
    numbers[numbers.find(_MEAN) : numbers.find(_MEAN) + 12] = (mean * 1.5).tobytes()
    replace_file(graph_file.parent, weights.name, bytes(numbers))
    return graph_file.read_bytes()


_MEAN = np.float32([255 * 0.485]).tobytes()


def test_int8_alone_is_tried_where_it_is_asked_for(quantized):
    """On any CPU, with heatmaps, and without being timed."""
    loaded = _load(quantized, INT8, frozenset())
    assert loaded.engine.precision == "int8"
    prepared = loaded.prepare(sniff(pictures.png(), LIMITS))
    assert loaded.explain(prepared, 1).heatmap is not None
    loaded.close()


def test_int8_without_such_a_graph_is_refused(tiny_bundle):
    """What to do about it is told; in public, that the bundle has none."""
    with pytest.raises(EngineRefused, match="topfive quantize") as refusal:
        load_classifier(tiny_bundle, INT8, LIMITS, VNNI)
    assert refusal.value.public.startswith("its bundle has no int8 graph")


def test_other_cpus_are_not_troubled(quantized, monkeypatch):
    """Without native int8, its graph is neither opened nor told of."""
    monkeypatch.setattr(loading, "measure_ms", pytest.fail)
    loaded = _load(quantized, AUTO, frozenset())
    assert (loaded.engine.precision, loaded.refused) == ("f32", ())
    loaded.close()


def test_a_manifest_has_hashes_of_both_graphs(quantized):
    """A bundle whose int8 graph has no hash is refused."""
    change_manifest(quantized, lambda one: one["files"].pop("model.int8.bin"))
    with pytest.raises(BundleRefused, match=r"no hash for model\.int8\.bin"):
        open_bundle(quantized)


def test_engines_take_turns_and_the_best_time_counts(monkeypatch):
    """What holds one up now and then is not held against it."""
    clock = [0.0]
    monkeypatch.setattr("topfive.classify.speed.perf_counter", lambda: clock[0])

    class Timed:
        def __init__(self, *times_s):
            self._times_s = list(times_s)
            self.calls = 0

        def infer(self, pixels):
            assert pixels.shape == (1, 32, 32, 3)
            clock[0] += self._times_s[min(self.calls, len(self._times_s) - 1)]
            self.calls += 1

    slow, fast = Timed(0.5, 0.4, 0.9, 0.9), Timed(0.3, 0.3, 0.01, 0.3)
    assert measure_ms([slow, fast], 32) == pytest.approx([400, 10])
    assert slow.calls == fast.calls == 4


def test_int8_must_be_worth_it():
    """Less than a tenth faster is not: chance would decide, and accuracy pay."""
    assert is_worth_it(1.7, 2.0)
    assert not is_worth_it(1.9, 2.0)
    assert not is_worth_it(3.0, 2.0)
