"""Loads a bundle into the first engine that agrees with the reference, and is fast enough."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from topfive.bundles.manifest import GRAPH_FILE, INT8_GRAPH_FILE, WEIGHTS_FILE
from topfive.bundles.store import Bundle
from topfive.classify.classifier import Classifier
from topfive.classify.speed import is_worth_it, measure_ms
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
from topfive.errors import EngineDoubted, EngineRefused
from topfive.images.limits import ImageLimits


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
