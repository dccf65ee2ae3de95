"""A classifier: one bundle in one engine, which can say whether it agrees with the reference."""

from dataclasses import dataclass
from math import isfinite
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

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
from topfive.classify.topk import softmax, top_classes
from topfive.engines import Engine, RefusedEngine
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
