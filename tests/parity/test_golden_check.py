"""Broken engines against the golden check, in f32 and in bf16, on every kind of processor.

torch's autocast computes in bf16 on any CPU, and stands for engines that do; OpenVINO does so only
where the CPU has it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from topfive.bundles.store import demo_root, open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import engine_source, load_classifier
from topfive.engines import EngineOptions, open_engine
from topfive.engines.contract import EngineCandidate, FeaturedLogits
from topfive.engines.torch_engine import open_torch_engine
from topfive.errors import EngineRefused
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine

HAS_BF16 = bool(probe_machine().cpu_flags & {"avx512_bf16", "amx_bf16", "bf16"})
SOUND = [
    ("openvino", "f32"),
    ("torch", "f32"),
    ("torch", "bf16"),
    pytest.param("openvino", "bf16", marks=pytest.mark.skipif(not HAS_BF16, reason="no bf16 here")),
]


@pytest.fixture(
    scope="module", params=["tiny", "digits", pytest.param("real", marks=pytest.mark.weights)]
)
def bundle(request):
    """A bundle of random weights, the shipped one, and MobileNetV2 as trained on ImageNet."""
    if request.param == "digits":
        return open_bundle(demo_root() / "digits" / "1")
    return request.getfixturevalue(f"{request.param}_bundle")


class Remembering:
    """An engine that computes each input once: most faults lie in what comes after."""

    def __init__(self, engine) -> None:
        self.name, self.precision, self.device = engine.name, engine.precision, engine.device
        self.close = engine.close
        self._engine, self._known = engine, {}

    def infer(self, pixels):
        """Score pixels, or say again what they scored."""
        return self.infer_with_features(pixels).logits

    def infer_with_features(self, pixels):
        """Do the same, with features."""
        key = pixels.tobytes()
        if key not in self._known:
            self._known[key] = self._engine.infer_with_features(pixels)
        logits, features = self._known[key]
        return FeaturedLogits(logits.copy(), features.copy())


class Broken:
    """An engine with something wrong before or after it."""

    def __init__(
        self,
        engine,
        before: Callable = np.copy,
        after: Callable = np.copy,
        features: Callable = np.copy,
    ) -> None:
        self.name, self.precision, self.device = engine.name, engine.precision, engine.device
        self._engine, self._before, self._after = engine, before, after
        self._features = features

    def infer_with_features(self, pixels):
        """Score the wrong pixels, or give the wrong logits or features."""
        found = self._engine.infer_with_features(np.ascontiguousarray(self._before(pixels)))
        return FeaturedLogits(self._after(found.logits), self._features(found.features))


@pytest.fixture(scope="module")
def engine_of():
    """Open each engine of each bundle once, by bundle, kind and precision."""
    opened = {}

    def open_once(bundle, kind: str, precision: str):
        key = (bundle.folder, kind, precision)
        if key not in opened:
            candidate = EngineCandidate(kind, precision, "")
            opened[key] = Remembering(open_engine(engine_source(bundle), candidate, 1))
        return opened[key]

    yield open_once
    for engine in opened.values():
        engine.close()


def _check(bundle, engine) -> None:
    Classifier(bundle, engine, ImageLimits()).check_golden()


def _swap_best_two(bundle):
    first, second = (one.class_id for one in bundle.manifest.golden.top_five[:2])

    def swap(logits):
        swapped = logits.copy()
        swapped[[first, second]] = logits[[second, first]]
        return swapped

    return swap


OUTSIDE = {
    "red and blue swapped": lambda _: {"before": lambda pixels: pixels[..., ::-1]},
    "two classes swapped": lambda bundle: {"after": _swap_best_two(bundle)},
    "all classes shifted": lambda _: {"after": lambda logits: np.roll(logits, 1)},
    "zeros": lambda _: {"after": np.zeros_like},
    "the same for all pictures": lambda _: {"before": lambda pixels: np.full_like(pixels, 90)},
    "one value that is no number": lambda _: {"after": lambda one: np.append(one[:-1], np.nan)},
    "one class too many": lambda _: {"after": lambda one: np.append(one, np.float32(0))},
    "one class too few": lambda _: {"after": lambda logits: logits[:-1]},
    "rows and columns swapped": lambda _: {"features": lambda one: one.transpose(1, 0, 2)},
    "upside down": lambda _: {"features": lambda one: one[::-1]},
    "channels shifted": lambda _: {"features": lambda one: np.roll(one, 1, axis=2)},
    "no features": lambda _: {"features": np.zeros_like},
    "one feature that is no number": lambda _: {"features": lambda one: one * np.nan},
    "features of half the places": lambda _: {"features": lambda one: one[::2, ::2]},
}


@pytest.mark.parametrize(("kind", "precision"), SOUND)
def test_a_sound_engine_is_accepted(bundle, kind, precision):
    """Either engine agrees with the reference in each precision that it really computes in."""
    options = EngineOptions(kind, precision)
    loaded = load_classifier(bundle, options, ImageLimits(), frozenset())
    assert loaded.engine.precision == precision
    loaded.close()


@pytest.mark.parametrize("what", OUTSIDE)
@pytest.mark.parametrize(("kind", "precision"), SOUND)
def test_an_engine_with_wrong_ends_is_refused(bundle, engine_of, kind, precision, what):
    """What is done wrongly to the pixels or to the logits is seen, also through bf16's rounding."""
    broken = Broken(engine_of(bundle, kind, precision), **OUTSIDE[what](bundle))
    _check(bundle, engine_of(bundle, kind, precision))
    with pytest.raises(EngineRefused):
        _check(bundle, broken)


@pytest.mark.parametrize("what", ["mean", "std"])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_wrong_normalisation_is_refused(bundle, precision, what):
    """ImageNet's mean or deviation in place of one half, or the other way round, is seen."""
    is_half = bundle.manifest.input.mean == (0.5, 0.5, 0.5)
    wrong = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}[what]
    changed = {what: wrong if is_half else (0.5, 0.5, 0.5)}
    engine = open_torch_engine(replace(engine_source(bundle), **changed), precision)
    with pytest.raises(EngineRefused):
        _check(bundle, engine)
    engine.close()


def _layers(engine) -> list[torch.nn.Module]:
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [layer for layer in engine._module.modules() if isinstance(layer, kinds)]


def _missed(bundle, precision: str, step: int) -> list[int]:
    """Of each `step`th layer list those that may be a tenth too large and not be refused."""
    engine = open_torch_engine(engine_source(bundle), precision)
    missed = []
    for number, layer in enumerate(_layers(engine)[::step]):
        right = layer.weight.data
        layer.weight.data = right * 1.1
        try:
            _check(bundle, engine)
        except EngineRefused:
            pass
        else:
            missed.append(number * step)
        layer.weight.data = right
    _check(bundle, engine)
    engine.close()
    return missed


def test_any_layer_a_tenth_too_large_is_refused_in_f32(tiny_bundle):
    """No layer can be wrong by a tenth without being seen, not even of random weights."""
    assert _missed(tiny_bundle, "f32", 1) == []


def test_a_layer_a_tenth_too_large_is_refused_in_bf16(bundle):
    """In bf16 every layer of trained weights is seen; of random ones, the first.

    Random weights, as the tiny bundle's, make bf16's rounding as large as most such faults. Of the
    large model some layers are tried: torch computes bf16 slowly on a CPU without it.
    """
    step = {"tiny": 1000, "digits": 1}.get(bundle.manifest.name, 9)
    assert _missed(bundle, "bf16", step) == []
