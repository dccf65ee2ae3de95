"""A classifier: one bundle in one engine, checked against the reference before it serves."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from topfive.bundles.manifest import GRAPH_FILE, WEIGHTS_FILE
from topfive.bundles.store import Bundle
from topfive.classify.topk import softmax, top_classes
from topfive.engines import Engine, EngineOptions, EngineSource, engine_candidates, open_engine
from topfive.errors import BundleRefused, EngineRefused, Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import InputRecipe, preprocess
from topfive.images.sniff import Sniffed, sniff
from topfive.predictions import ClassScore, ImageInfo, ModelRef

# How far a confidence may be from the reference's for the golden input: f32 differs only by the
# order of its sums; bf16 keeps 8 bits of every factor, which moves a probability by percents.
_GOLDEN_TOLERANCE = {"f32": 0.005, "f16": 0.02, "bf16": 0.10, "int8": 0.15}


@dataclass(frozen=True, slots=True)
class Classified:
    """What a classifier found in one picture, and how long each step took."""

    classes: tuple[ClassScore, ...]
    image: ImageInfo
    decode_ms: float
    preprocess_ms: float
    inference_ms: float


class Classifier:
    """Turns the bytes of a picture into its most likely classes; safe to call from many threads."""

    def __init__(self, bundle: Bundle, engine: Engine, limits: ImageLimits) -> None:
        section = bundle.manifest.input
        self.bundle = bundle
        self.engine = engine
        self.ref = ModelRef(bundle.manifest.name, bundle.manifest.version)
        self._limits = limits
        self._recipe = InputRecipe(
            section.resize, section.crop, section.mean, section.std, section.interpolation
        )

    def classify(self, upload: Sniffed, top_k: int) -> Classified:
        """Decode, preprocess, infer and pick; raises what `images.decode` raises."""
        started = perf_counter()
        decoded = decode(upload, self._limits, self._recipe.least_side)
        decoded_at = perf_counter()
        pixels = preprocess(decoded.pixels, self._recipe)
        prepared_at = perf_counter()
        probabilities = softmax(self.engine.infer(pixels))
        classes = top_classes(probabilities, self.bundle.labels, top_k)
        finished = perf_counter()
        return Classified(
            classes,
            ImageInfo(decoded.format, *decoded.size),
            decode_ms=(decoded_at - started) * 1000,
            preprocess_ms=(prepared_at - decoded_at) * 1000,
            inference_ms=(finished - prepared_at) * 1000,
        )

    def check_golden(self) -> None:
        """Classify the golden input; raises EngineRefused if the reference says otherwise."""
        pixels = _golden_pixels(self.bundle)
        problem = _disagreement(self.bundle, self.engine, softmax(self.engine.infer(pixels)))
        if problem:
            raise EngineRefused(
                f"{self.engine.name} {self.engine.precision} disagrees with the reference on the "
                f"golden input of {self.ref.name} {self.ref.version}: {problem}"
            )

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()


def load_classifier(
    bundle: Bundle, options: EngineOptions, limits: ImageLimits, cpu_flags: frozenset[str]
) -> Classifier:
    """Load a bundle into the first engine that agrees with the reference.

    Raises EngineRefused with what every candidate said if none does.
    """
    refusals = []
    for candidate in engine_candidates(options, cpu_flags):
        try:
            engine = open_engine(_engine_source(bundle), candidate, options.slots)
            classifier = Classifier(bundle, engine, limits)
            classifier.check_golden()
        except EngineRefused as refusal:
            refusals.append(str(refusal))
        else:
            return classifier
    raise EngineRefused(" ".join(refusals))


def _engine_source(bundle: Bundle) -> EngineSource:
    manifest = bundle.manifest
    return EngineSource(
        architecture=manifest.architecture,
        architecture_options=manifest.architecture_options,
        classes=manifest.classes,
        side=manifest.input.crop,
        mean=manifest.input.mean,
        std=manifest.input.std,
        graph_file=bundle.folder / GRAPH_FILE,
        weights_file=bundle.folder / WEIGHTS_FILE,
    )


def _golden_pixels(bundle: Bundle) -> NDArray[np.uint8]:
    limits = ImageLimits()
    side = bundle.manifest.input.crop
    try:
        golden = decode(sniff(bundle.golden_png, limits), limits, side).pixels
    except Failure as failure:
        raise BundleRefused(f"The golden input in {bundle.folder} is no picture.") from failure
    if golden.size != (side, side):
        raise BundleRefused(f"The golden input in {bundle.folder} is not {side} x {side} pixels.")
    return np.asarray(golden)[np.newaxis]


def _disagreement(bundle: Bundle, engine: Engine, probabilities: NDArray[np.float32]) -> str:
    """Say how probabilities of shape (classes,) differ from the reference, or nothing."""
    tolerance = _GOLDEN_TOLERANCE[engine.precision]
    expected = bundle.manifest.golden.top_five
    if probabilities.shape != (bundle.manifest.classes,):
        return f"it has {probabilities.shape} outputs, not {bundle.manifest.classes}."
    if not np.isfinite(probabilities).all():
        return "it gives values that are not numbers."
    best = float(probabilities.max())
    worst = max(abs(float(probabilities[one.class_id]) - one.confidence) for one in expected)
    if worst > tolerance or best - float(probabilities[expected[0].class_id]) > tolerance:
        return f"a confidence differs by {worst:.4f}, and {tolerance} is the most allowed."
    return ""
