"""Predictions in memory, as a history tells of them, and ways to draw them."""

from dataclasses import dataclass, field, replace

import numpy as np

from topfive.history.observations import ALWAYS, Labelled, ObservedModel, Predicted, Span
from topfive.history.records import RecordedModel

CLASSES = tuple(f"class {number}" for number in range(1000))
MODEL = RecordedModel("flowers", "1", "a" * 64, CLASSES)
OBSERVED = ObservedModel(1, MODEL)
# Noon of 2026-11-20, in UTC.
NOON_MS = 1_795_176_000_000


@dataclass
class FakeObservations:
    """Tells of one version's predictions, which are in the order of time; ranks of those labelled.

    Each of `predictions` is (time in ms, class id, confidence), of `labels` (time, confidence,
    rank).
    """

    predictions: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    observed: tuple = (OBSERVED,)
    is_on = True

    def keep_reference(self, key, reference):
        """Keep the reference of one that has none."""
        self.observed = tuple(
            replace(one, reference=one.reference or reference) if one.key == key else one
            for one in self.observed
        )

    def models(self, name=None):
        """List the one version."""
        return tuple(one for one in self.observed if name in (None, one.model.name))

    def labelled(self, _key, most, span=ALWAYS):
        """Give the newest labelled ones."""
        rows = _newest(self.labels, most, span)
        return Labelled(*_columns(rows, (np.int64, np.float64, np.int64)))

    def newest(self, _key, most, span=ALWAYS):
        """Give the newest ones."""
        return as_predicted(_newest(self.predictions, most, span))

    def oldest(self, _key, most):
        """Give the oldest ones."""
        return as_predicted(self.predictions[:most])


def as_predicted(rows):
    """Make arrays of rows."""
    return Predicted(*_columns(rows, (np.int64, np.int64, np.float64)))


def as_labelled(rows):
    """Make arrays of rows."""
    return Labelled(*_columns(rows, (np.int64, np.float64, np.int64)))


def draw_predictions(count, seed, shares=None, sharpness=4.0, since_ms=NOON_MS):
    """Draw predictions, one a second: classes by their shares, and confidences."""
    draw = np.random.default_rng(seed)
    classes = draw.choice(len(CLASSES), count, p=shares)
    confidences = draw.beta(sharpness, 1, count)
    times = since_ms + 1000 * np.arange(count)
    return list(zip(times.tolist(), classes.tolist(), confidences.tolist(), strict=True))


def _newest(rows, most, span: Span):
    since = span.since_ms if span.since_ms is not None else -1
    until = span.until_ms if span.until_ms is not None else 2**62
    return [row for row in rows if since <= row[0] < until][::-1][:most]


def _columns(rows, types):
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]
