"""A classifier: one bundle in one engine, checked against the reference before it serves."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import isfinite
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from topfive.bundles.manifest import GRAPH_FILE, INT8_GRAPH_FILE, WEIGHTS_FILE
from topfive.bundles.store import Bundle
from topfive.bundles.versions import bundle_digest
from topfive.classify.agreement import RIGHT_IN_F32, Logits
from topfive.classify.golden import open_reference
from topfive.classify.heatmap import (
    UNSOUND_HEATMAPS,
    ClassMaps,
    NoClassMaps,
    draw_heatmap,
    open_class_maps,
)
from topfive.classify.speed import is_worth_it, measure_ms
from topfive.classify.topk import softmax, top_classes
from topfive.engines import (
    Engine,
    EngineCandidate,
    EngineOptions,
    EngineSource,
    FeaturedGraph,
    RefusedEngine,
    add_spare_graph,
    engine_candidates,
    open_engine,
    serving_source,
)
from topfive.errors import EngineDoubted, EngineRefused, InternalError
from topfive.images.decode import Decoded, decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import least_side, preprocess
from topfive.images.sniff import SniffedPicture
from topfive.input_recipe import InputRecipe
from topfive.predictions import ClassScore, Heatmap, ImageInfo, ModelRef

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Classification:
    """What a classifier found in one picture, and how long each step took."""

    classes: tuple[ClassScore, ...]
    image: ImageInfo
    decode_ms: float
    preprocess_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded picture, and its pixels as `recipe` wants them: uint8 (1, crop, crop, 3)."""

    decoded: Decoded
    recipe: InputRecipe
    pixels: Pixels
    decode_ms: float
    preprocess_ms: float

    @property
    def image(self) -> ImageInfo:
        """What the uploaded picture is."""
        return ImageInfo(self.decoded.format, *self.decoded.size)


@dataclass(frozen=True, slots=True)
class Scored:
    """The best classes of prepared pixels, best first, and how long the engine took for them.

    `heatmap` is there where it was asked for.
    """

    classes: tuple[ClassScore, ...]
    inference_ms: float
    heatmap: Heatmap | None = None


class Classifier:
    """Turns the bytes of a picture into its most likely classes; safe to call from many threads."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        limits: ImageLimits,
    ) -> None:
        self.refused: tuple[RefusedEngine, ...] = ()
        self.bundle = bundle
        self.engine = engine
        self.ref = ModelRef(bundle.manifest.name, bundle.manifest.version)
        self.digest = bundle_digest(bundle.manifest)
        self.limits = limits
        self._recipe = bundle.manifest.input
        self._class_maps: ClassMaps = open_class_maps(bundle)

    def classify(self, upload: SniffedPicture, top_k: int) -> Classification:
        """Prepare and infer; raises what `images.decode` raises."""
        prepared = self.prepare(upload)
        scored = self.infer(prepared.pixels, top_k)
        return Classification(
            scored.classes,
            prepared.image,
            decode_ms=prepared.decode_ms,
            preprocess_ms=prepared.preprocess_ms,
            inference_ms=scored.inference_ms,
        )

    def prepare(self, upload: SniffedPicture) -> Prepared:
        """Decode a picture and bring it to the size that the model takes.

        Raises what `images.decode` raises.
        """
        started = perf_counter()
        decoded = decode(upload, self.limits, least_side(self._recipe))
        return self._preprocess(decoded, (perf_counter() - started) * 1000)

    def reuse(self, prepared: Prepared) -> Prepared | None:
        """Bring what was prepared for another classifier to the size that this one takes.

        None where it was shrunk too far for this one while it was decoded.
        """
        if prepared.recipe.prepares_alike(self._recipe):
            return prepared
        if not prepared.decoded.has_side(least_side(self._recipe)):
            return None
        return self._preprocess(prepared.decoded, prepared.decode_ms)

    @property
    def side(self) -> int:
        """The width and height in pixels of what `infer` takes."""
        return self._recipe.crop

    def infer(self, pixels: Pixels, top_k: int) -> Scored:
        """Score uint8 RGB pixels of shape (1, side, side, 3), and pick the best classes.

        Raises InternalError where the model gives values that are not numbers.
        """
        started = perf_counter()
        classes = top_classes(self.score(pixels), self.bundle.labels, top_k)
        return Scored(classes, (perf_counter() - started) * 1000)

    def score(self, pixels: Pixels) -> Probabilities:
        """Give the probabilities of all classes, (classes,), for such pixels.

        Raises what `infer` raises.
        """
        return _probabilities(self.engine.infer(pixels))

    @property
    def has_heatmaps(self) -> bool:
        """Whether this can say where it saw a class."""
        return self._class_maps.are_there

    def require_heatmap(self) -> None:
        """Do nothing if this can say where it saw a class; raises HeatmapUnavailable."""
        self._class_maps.require()

    def explain(self, prepared: Prepared, top_k: int) -> Scored:
        """Do what `infer` does, and draw where in the picture the best class was seen.

        Raises HeatmapUnavailable, and what `infer` raises. EngineRefused where it is found now that
        heatmaps are wrong: from then on there are none.
        """
        self.require_heatmap()
        started = perf_counter()
        try:
            logits, features = self.engine.infer_with_features(prepared.pixels)
        except EngineRefused:
            self._class_maps = NoClassMaps(UNSOUND_HEATMAPS)
            raise
        classes = top_classes(_probabilities(logits), self.bundle.labels, top_k)
        inference_ms = (perf_counter() - started) * 1000
        best = classes[0].class_id
        class_map = self._class_maps.weigh(features, best)
        heatmap = draw_heatmap(best, class_map, prepared.decoded, prepared.recipe)
        return Scored(classes, inference_ms, heatmap)

    def check_golden(self, has_features: bool = True) -> None:
        """Classify the golden inputs; raises EngineRefused if the reference says otherwise.

        Maps are compared too where the engine gives features, and the bundle has heatmaps. It is
        EngineDoubted where bf16 may still serve if the same graph is right in f32.
        """
        reference = open_reference(self.bundle, has_features)
        try:
            answers = reference.ask(self.engine)
        except RuntimeError as error:
            raise EngineRefused(
                f"{self.engine.name} cannot compute: {error}", public="it cannot compute here."
            ) from error
        precision = self.engine.precision
        unusable = self._unusable(answers.logits)
        problem = unusable or reference.find_disagreement(answers, precision)
        if not problem:
            return
        is_doubt = not (unusable or precision != "bf16") and not reference.find_disagreement(
            answers, RIGHT_IN_F32
        )
        kind = EngineDoubted if is_doubt else EngineRefused
        raise kind(
            f"{self.engine.name} {precision} disagrees with the reference on the "
            f"golden inputs of {self.ref.name} {self.ref.version}: {problem}",
            public=problem,
        )

    def _preprocess(self, decoded: Decoded, decode_ms: float) -> Prepared:
        started = perf_counter()
        pixels = preprocess(decoded.pixels, self._recipe)
        return Prepared(decoded, self._recipe, pixels, decode_ms, (perf_counter() - started) * 1000)

    def _unusable(self, logits: Logits) -> str:
        if logits.shape[1:] != (self.bundle.manifest.classes,):
            return f"it has {logits.shape[1:]} outputs, not {self.bundle.manifest.classes}."
        return "" if np.isfinite(logits).all() else "it gives values that are not numbers."

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()


def _probabilities(logits: Logits) -> Probabilities:
    probabilities = softmax(logits)
    # One value that is no number makes all of them none.
    if not isfinite(probabilities[0]):
        raise InternalError("The model gave values that are not numbers.")
    return probabilities


def load_classifier(
    bundle: Bundle, options: EngineOptions, limits: ImageLimits, cpu_flags: frozenset[str]
) -> Classifier:
    """Load a bundle into the first engine that agrees with the reference; the others are closed.

    Where features would cost every picture, the engine that gives them is opened, and checked, when
    it is first asked. Raises EngineRefused with what every candidate said if none does.
    """
    refused: list[RefusedEngine] = []
    wanted = engine_source(bundle)
    openings = [
        _Opening(bundle, serving_source(wanted, candidate), candidate, options, limits)
        for candidate in engine_candidates(
            options, cpu_flags, has_int8=bundle.manifest.int8 is not None
        )
    ]
    opened = _open_in_turn(openings, refused)
    chosen = next(opened, None)
    if chosen is None:
        reasons = dict.fromkeys(one.reason for one in refused)
        raise EngineRefused(" ".join(one.detail for one in refused), public=" ".join(reasons))
    if chosen[0].candidate.must_be_faster:
        chosen = _pick_faster(chosen, next(opened, None), refused)
    opening, classifier = chosen
    classifier.refused = tuple(refused)
    if opening.source != wanted:
        classifier.engine = replace(opening, source=wanted).add_features(classifier.engine)
    return classifier


@dataclass(frozen=True, slots=True)
class _Opening:
    """With what a bundle is opened in an engine."""

    bundle: Bundle
    source: EngineSource
    candidate: EngineCandidate
    options: EngineOptions
    limits: ImageLimits

    def open(self) -> Classifier:
        """Return a classifier that agrees with the reference; close one that does not, and raise.

        It has as many slots for batches as are wanted.
        """
        classifier = self._open_checked()
        classifier.engine = add_spare_graph(
            classifier.engine, self.source, self.candidate, self.options
        )
        return classifier

    def add_features(self, plain: Engine) -> Engine:
        """Let an engine without features open one that has them when they are asked for."""
        return FeaturedGraph(plain, lambda: self.open().engine)

    def refuse(self, reason: str, detail: str) -> RefusedEngine:
        """Say why this does not serve; `reason` is public."""
        return RefusedEngine(self.candidate.engine, self.candidate.precision, reason, detail)

    def _open_checked(self) -> Classifier:
        engine = open_engine(self.source, self.candidate, self.options.slots)
        classifier = Classifier(self.bundle, engine, self.limits)
        with ExitStack() as undo:
            undo.callback(classifier.close)
            try:
                classifier.check_golden(has_features=bool(self.source.features_output))
            except EngineDoubted:
                in_f32 = EngineCandidate(
                    self.candidate.engine, "f32", "to tell rounding from a fault"
                )
                replace(self, candidate=in_f32)._open_checked().close()
            undo.pop_all()
        return classifier


_Opened = tuple[_Opening, Classifier]


def _open_in_turn(openings: Sequence[_Opening], refused: list[RefusedEngine]) -> Iterator[_Opened]:
    """Open what agrees with the reference; what does not is added to `refused`."""
    for opening in openings:
        try:
            classifier = opening.open()
        except EngineRefused as refusal:
            refused.append(opening.refuse(refusal.public, str(refusal)))
        else:
            yield opening, classifier


def _pick_faster(first: _Opened, second: _Opened | None, refused: list[RefusedEngine]) -> _Opened:
    """Close the first unless it is so much faster than the second that it is to serve."""
    if second is None:
        return first
    (opening, classifier), (other, rival) = first, second
    took_ms, other_ms = measure_ms((classifier.engine, rival.engine), classifier.side)
    if is_worth_it(took_ms, other_ms):
        rival.close()
        return first
    classifier.close()
    names = (opening.candidate.precision, other.candidate.precision)
    reason = f"{names[0]} took {took_ms:.2f} ms here and {names[1]} {other_ms:.2f} ms."
    refused.append(opening.refuse(reason, reason))
    return second


def engine_source(bundle: Bundle) -> EngineSource:
    """Gather what an engine must know of a bundle to run it."""
    manifest = bundle.manifest
    return EngineSource(
        architecture=manifest.architecture,
        architecture_options=manifest.architecture_options,
        classes=manifest.classes,
        side=manifest.input.crop,
        mean=manifest.input.mean,
        std=manifest.input.std,
        graph_file=bundle.folder / GRAPH_FILE,
        weights_file=None if manifest.imported else bundle.folder / WEIGHTS_FILE,
        features_output=manifest.heatmap.output if manifest.heatmap else "",
        int8_graph_file=bundle.folder / INT8_GRAPH_FILE if manifest.int8 else None,
    )
