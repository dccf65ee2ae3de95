"""Measures versions of models on what the history has of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Generic, Protocol, TypeVar

from topfive.bundles.versions import KnownBundle
from topfive.errors import HistoryUnavailable, ModelNotFound, NotFound
from topfive.history.contract import HISTORY_IS_OFF
from topfive.history.observations import Observations, ObservedModel, Span
from topfive.history.records import RecordedModel
from topfive.service.live.accuracy import AccuracyQuery, LiveAccuracy, measure_accuracy
from topfive.service.live.days import DAY_MS
from topfive.service.live.drift import (
    WINDOW,
    DriftOfDay,
    LiveDrift,
    measure_day,
    measure_drift,
)
from topfive.service.live.reference import Reference, References

MOST_VERSIONS = 20
# A caller is told within about that time that the database is too slow; each question ends by then.
_PATIENCE_S = 4.5
_RETRY_AFTER_S = 5
_DRIFT_DAYS = 30
_MOST_OF_DAY = 500
# Labelled predictions are compared with so many newest ones, to tell whether they are like all.
_COMPARED = 1000


Found = TypeVar("Found")
Thing = TypeVar("Thing")
ListBundles = Callable[[str], Sequence[KnownBundle]]


@dataclass(frozen=True, slots=True)
class Measured(Generic[Found]):
    """What was measured of a version.

    `held_out_top1` is the share of right answers on the photos that were held out when the bundle
    was made; None where it was not measured, or the bundle is not here.
    """

    model: RecordedModel
    found: Found
    held_out_top1: float | None = None


@dataclass(frozen=True, slots=True)
class DriftHistory:
    """The drift of a version now, and of its last days."""

    now: LiveDrift
    days: tuple[DriftOfDay, ...]


class LiveMeasures(Protocol):
    """Tells how well versions do; every call raises HistoryUnavailable where nothing answers."""

    def accuracy(
        self, name: str, version: str | None, query: AccuracyQuery
    ) -> tuple[Measured[LiveAccuracy], ...]:
        """Measure the accuracy of a model's versions, the last used first; raises ModelNotFound."""

    def drift(self, name: str, version: str | None) -> tuple[Measured[DriftHistory], ...]:
        """Measure the drift of a model's versions, the last used first; raises ModelNotFound."""


class NoLiveMeasures:
    """Stands in where no history is kept: every question is answered by NotFound."""

    def accuracy(
        self,
        name: str,  # noqa: ARG002
        version: str | None,  # noqa: ARG002
        query: AccuracyQuery,  # noqa: ARG002
    ) -> tuple[Measured[LiveAccuracy], ...]:
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)

    def drift(self, name: str, version: str | None) -> tuple[Measured[DriftHistory], ...]:  # noqa: ARG002
        """Raise NotFound."""
        raise NotFound(HISTORY_IS_OFF)


class MeasuredHistory:
    """Measures what a history has; `bundles` lists those of a name that are here."""

    def __init__(
        self, observations: Observations, bundles: ListBundles, clock: Callable[[], float] = time
    ) -> None:
        self._observations = observations
        self._bundles = bundles
        self._clock = clock
        self._references = References(observations)

    def accuracy(
        self, name: str, version: str | None, query: AccuracyQuery
    ) -> tuple[Measured[LiveAccuracy], ...]:
        """Measure the accuracy of a model's versions, the last used first; raises ModelNotFound."""
        until_s = monotonic() + _PATIENCE_S
        return tuple(
            Measured(one.model, self.measure_accuracy(one, query), self.held_out_top1(one.model))
            for one in _in_time(self._find(name, version), until_s)
        )

    def drift(self, name: str, version: str | None) -> tuple[Measured[DriftHistory], ...]:
        """Measure the drift of a model's versions, the last used first; raises ModelNotFound."""
        until_s = monotonic() + _PATIENCE_S
        return tuple(
            Measured(one.model, self._measure_days(one, until_s), self.held_out_top1(one.model))
            for one in _in_time(self._find(name, version), until_s)
        )

    def observed(self) -> tuple[ObservedModel, ...]:
        """List the versions of all models that were used last."""
        return self._observations.models()[:MOST_VERSIONS]

    def measure_accuracy(self, observed: ObservedModel, query: AccuracyQuery) -> LiveAccuracy:
        """Measure one version's accuracy."""
        since = None if query.days is None else self._now_ms() - query.days * DAY_MS
        labelled = self._observations.labelled(observed.key, query.labels, Span(since_ms=since))
        newest = self._observations.newest(observed.key, _COMPARED, Span(since_ms=since))
        return measure_accuracy(labelled, newest)

    def measure_drift(self, observed: ObservedModel) -> LiveDrift:
        """Measure one version's drift as it is now."""
        return self._drift_from(self._reference(observed), observed)

    def keep_reference(self, observed: ObservedModel) -> None:
        """Keep what a version's predictions are held against, once there is enough of it."""
        self._references.keep(observed, self._bundles(observed.model.name))

    def held_out_top1(self, model: RecordedModel) -> float | None:
        """Tell what a version's bundle says of its accuracy; None where it does not."""
        digests = {one.digest: one for one in self._bundles(model.name)}
        bundle = digests.get(model.digest)
        return bundle.manifest.metrics.get("held_out_top1") if bundle else None

    def _measure_days(self, observed: ObservedModel, until_s: float) -> DriftHistory:
        reference = self._reference(observed)
        now = self._drift_from(reference, observed)
        today = self._now_ms() // DAY_MS
        days = (
            self._measure_day(reference, observed, number)
            for number in _in_time(range(today - _DRIFT_DAYS + 1, today + 1), until_s)
        )
        return DriftHistory(now, tuple(one for one in days if one.predictions))

    def _measure_day(
        self, reference: Reference, observed: ObservedModel, number: int
    ) -> DriftOfDay:
        start_ms = max(number * DAY_MS, (reference.last_ms or 0) + 1)
        span = Span(start_ms, (number + 1) * DAY_MS)
        newest = self._observations.newest(observed.key, _MOST_OF_DAY, span)
        return measure_day(reference, number, newest)

    def _drift_from(self, reference: Reference, observed: ObservedModel) -> LiveDrift:
        span = Span(since_ms=(reference.last_ms or 0) + 1)
        return measure_drift(reference, self._observations.newest(observed.key, WINDOW, span))

    def _reference(self, observed: ObservedModel) -> Reference:
        return self._references.find(observed, self._bundles(observed.model.name))

    def _find(self, name: str, version: str | None) -> tuple[ObservedModel, ...]:
        found = self._observations.models(name)
        if version is not None:
            found = tuple(one for one in found if one.model.version == version)
        if not found and not self._is_known(name, version):
            raise ModelNotFound(_unknown(name, version))
        return found[:MOST_VERSIONS]

    def _is_known(self, name: str, version: str | None) -> bool:
        return any(version in (None, one.ref.version) for one in self._bundles(name))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _in_time(things: Iterable[Thing], until_s: float) -> Iterator[Thing]:
    """Give one thing after the other; raises HistoryUnavailable where they take too long."""
    for one in things:
        if monotonic() > until_s:
            raise HistoryUnavailable(
                "The history's database is too slow to measure all of this now. Ask for "
                "one version, or later.",
                retry_after_s=_RETRY_AFTER_S,
            )
        yield one


def _unknown(name: str, version: str | None) -> str:
    if version is None:
        return f"There is no model {name}, and nothing that it predicted. See /models."
    return f"There is no version {version} of {name}, and nothing that it predicted. See /models."
