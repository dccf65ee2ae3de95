"""What /metrics tells of live accuracy and drift, and the file in which workers share it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import time
from typing import Any, Protocol

from topfive.history.observations import ObservedModel
from topfive.predictions import ModelRef
from topfive.registry.atomic_file import write_atomically
from topfive.service.live.accuracy import AccuracyQuery, LiveAccuracy
from topfive.service.live.drift import LiveDrift
from topfive.service.live.measures import MeasuredHistory
from topfive.statistics.proportions import Interval
from topfive.telemetry.metrics import LiveFigures

# Older ones are told no more: nobody has measured since, and what they say may not hold.
_MOST_AGE_S = 600.0

Figures = tuple[LiveFigures, ...]


def measure_figures(measures: MeasuredHistory, observed: ObservedModel) -> LiveFigures:
    """Measure one version; raises HistoryUnavailable."""
    accuracy = measures.measure_accuracy(observed, AccuracyQuery())
    model = ModelRef(observed.model.name, observed.model.version)
    drift, held_out = measures.measure_drift(observed), measures.held_out_top1(observed.model)
    return tell_figures(model, accuracy, drift, held_out)


def tell_figures(
    model: ModelRef, accuracy: LiveAccuracy, drift: LiveDrift, held_out: float | None
) -> LiveFigures:
    """Leave out of what was measured what too few labels or predictions say."""
    known = accuracy.measured if accuracy.is_enough else None
    return LiveFigures(
        model,
        accuracy.labels,
        {1: known.top1, 5: known.top5} if known else {},
        known.sampling.is_representative if known else None,
        held_out,
        known.calibration.error if known else None,
        drift.classes.psi.value if drift.classes else None,
        drift.confidences.ks.value if drift.confidences else None,
        drift.is_alarm if drift.is_enough else None,
    )


class FigureStore(Protocol):
    """Keeps what was measured last, for all workers."""

    def write(self, figures: Figures) -> None:
        """Keep these in place of the former ones; raises OSError."""

    def read(self) -> Figures:
        """Give what was kept last; nothing where that is too old."""


class NoFigures:
    """Stands in where nothing is measured."""

    def write(self, figures: Figures) -> None:
        """Forget them."""

    def read(self) -> Figures:
        """Give none."""
        return ()


class OwnFigures:
    """Keeps figures in memory, where there is no other worker."""

    def __init__(self) -> None:
        self._figures: Figures = ()

    def write(self, figures: Figures) -> None:
        """Keep these in place of the former ones."""
        self._figures = figures

    def read(self) -> Figures:
        """Give what was kept last."""
        return self._figures


class FigureFile:
    """Keeps figures in a file that all workers of a machine share."""

    def __init__(self, path: Path, clock: Callable[[], float] = time) -> None:
        self._path = path
        self._clock = clock

    def write(self, figures: Figures) -> None:
        """Keep these in place of the former ones; raises OSError."""
        document = {"at": self._clock(), "figures": [asdict(one) for one in figures]}
        write_atomically(self._path, json.dumps(document).encode())

    def read(self) -> Figures:
        """Give what was kept last; nothing where that is too old or cannot be read."""
        try:
            document = json.loads(self._path.read_bytes())
            is_old = self._clock() - document["at"] > _MOST_AGE_S
            return () if is_old else tuple(_parse(one) for one in document["figures"])
        except (OSError, ValueError, KeyError, TypeError):
            return ()


def _parse(one: dict[str, Any]) -> LiveFigures:
    accuracy = {int(k): Interval(**interval) for k, interval in one["accuracy"].items()}
    return LiveFigures(**{**one, "model": ModelRef(**one["model"]), "accuracy": accuracy})
