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
from topfive.classify.classifier import Classifier, engine_source, load_classifier
from topfive.engines import EngineOptions, open_engine
from topfive.engines.contract import EngineCandidate
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


class Broken:
    """An engine with something wrong before or after it."""

    def __init__(
        self,
        engine,
        before: Callable = lambda pixels: pixels,
        after: Callable = lambda logits: logits,
    ) -> None:
        self.name, self.precision, self.device = engine.name, engine.precision, engine.device
        self._engine, self._before, self._after = engine, before, after

    def infer(self, pixels):
        """Score the wrong pixels, or give the wrong logits."""
        right_way = np.ascontiguousarray(self._before(pixels))
        return self._after(self._engine.infer(right_way))

    def close(self) -> None:
        """Close what is inside."""
        self._engine.close()


def _check(bundle, engine) -> None:
    try:
        Classifier(bundle, engine, ImageLimits()).check_golden()
    finally:
        engine.close()


def _open(bundle, kind: str, precision: str):
    return open_engine(engine_source(bundle), EngineCandidate(kind, precision, ""), 1)


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
def test_an_engine_with_wrong_ends_is_refused(bundle, kind, precision, what):
    """What is done wrongly to the pixels or to the logits is seen, also through bf16's rounding."""
    broken = Broken(_open(bundle, kind, precision), **OUTSIDE[what](bundle))
    with pytest.raises(EngineRefused):
        _check(bundle, broken)


@pytest.mark.parametrize("what", ["mean", "std"])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_wrong_normalisation_is_refused(bundle, precision, what):
    """ImageNet's mean or deviation in place of one half, or the other way round, is seen."""
    is_half = bundle.manifest.input.mean == (0.5, 0.5, 0.5)
    wrong = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}[what]
    changed = {what: wrong if is_half else (0.5, 0.5, 0.5)}
    source = replace(engine_source(bundle), **changed)
    with pytest.raises(EngineRefused):
        _check(bundle, open_torch_engine(source, precision))


def _layers(engine) -> list[torch.nn.Module]:
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [layer for layer in engine._module.modules() if isinstance(layer, kinds)]


def _missed(bundle, precision: str) -> list[int]:
    """List the layers whose weights may be a tenth too large without being refused."""
    engine = open_torch_engine(engine_source(bundle), precision)
    classifier = Classifier(bundle, engine, ImageLimits())
    missed = []
    for number, layer in enumerate(_layers(engine)):
        right = layer.weight.data
        layer.weight.data = right * 1.1
        try:
            classifier.check_golden()
        except EngineRefused:
            pass
        else:
            missed.append(number)
        layer.weight.data = right
    classifier.check_golden()
    classifier.close()
    return missed


def test_any_layer_a_tenth_too_large_is_refused_in_f32(tiny_bundle):
    """There is no layer that could be wrong by a tenth without being seen, of random weights too."""
    assert _missed(tiny_bundle, "f32") == []


def test_a_layer_a_tenth_too_large_is_refused_in_bf16(bundle):
    """In bf16 every layer of trained weights is seen; of random ones, the first among others.

    Random weights, as the tiny bundle's, make bf16's rounding as large as such a fault.
    """
    missed = _missed(bundle, "bf16")
    assert 0 not in missed
    if bundle.manifest.name != "tiny":
        assert missed == []
