"""The shapes of drift on the wire."""

from datetime import date as Date  # noqa: N812 - a field is called date
from datetime import datetime
from typing import Literal

from pydantic import Field

from topfive.api.schemas import Shape
from topfive.service.live.drift import (
    WINDOW,
    ChangedClass,
    ClassDrift,
    ClassGroup,
    ConfidenceDrift,
    DriftOfDay,
    LiveDrift,
)
from topfive.service.live.measures import DriftHistory, Measured
from topfive.service.live.reference import LEAST_PREDICTIONS, SHOWN_BINS, Reference
from topfive.statistics.proportions import rounded

_THRESHOLD = "An alarm lies above this and above `by_chance`."
_BY_CHANCE = "What one in 1000 windows shows where nothing has changed."


class ReferenceOut(Shape):
    """What predictions are compared with."""

    source: Literal["evaluation", "first_predictions"] = Field(
        description="`evaluation`: the photos held out when the bundle was made."
    )
    count: int = Field(description="Of how many predictions it is made.")
    wanted: int = Field(description="How many it needs.")
    is_complete: bool


class WindowOut(Shape):
    """The newest predictions, which are compared with the reference."""

    count: int
    wanted: int = Field(description="At most so many are compared.")
    since: datetime | None
    until: datetime | None


class ClassGroupOut(Shape):
    """Classes of neighbouring ids, and their shares of all predictions."""

    first_class_id: int
    last_class_id: int
    first_class_name: str
    last_class_name: str
    reference: float
    window: float


class ChangedClassOut(Shape):
    """A class whose share of all predictions has changed."""

    class_id: int
    class_name: str
    reference: float
    window: float


class ClassDriftOut(Shape):
    """How the predicted classes have changed."""

    psi: float = Field(description="The population stability index, over `groups`.")
    threshold: float = Field(description=_THRESHOLD)
    by_chance: float = Field(description=_BY_CHANCE)
    is_alarm: bool
    groups: list[ClassGroupOut]
    changed: list[ChangedClassOut] = Field(description="The classes that have changed most.")


class ConfidenceBinOut(Shape):
    """Shares of predictions with a confidence above `low` and not above `high`."""

    low: float
    high: float
    reference: float
    window: float


class ConfidenceDriftOut(Shape):
    """How confidences have changed."""

    ks: float = Field(description="The Kolmogorov-Smirnov distance.")
    threshold: float = Field(description=_THRESHOLD)
    by_chance: float = Field(description=_BY_CHANCE)
    is_alarm: bool
    reference_mean: float
    window_mean: float
    bins: list[ConfidenceBinOut]


class DriftDayOut(Shape):
    """The newest predictions of one day, in UTC; null: they are too few."""

    date: Date
    predictions: int = Field(description="How many are compared, at most 500.")
    psi: float | None
    ks: float | None
    is_alarm: bool


class VersionDriftOut(Shape):
    """How far a version's predictions lie from its reference."""

    version: str
    digest: str
    reference: ReferenceOut
    window: WindowOut
    is_enough: bool = Field(description="Whether both have enough predictions to be compared.")
    is_alarm: bool
    note: str | None = Field(description="What was found, or why nothing can be.")
    classes: ClassDriftOut | None
    confidences: ConfidenceDriftOut | None
    days: list[DriftDayOut] = Field(description="Of the last 30 days, oldest first.")


class DriftOut(Shape):
    """The drift of a model's versions; first the one that was used last."""

    model: str
    least_predictions: int = Field(description="Fewer predictions are not compared.")
    versions: list[VersionDriftOut]


def drift_out(name: str, measured: tuple[Measured[DriftHistory], ...]) -> DriftOut:
    """Shape what was measured."""
    versions = [_version_out(one) for one in measured]
    return DriftOut(model=name, least_predictions=LEAST_PREDICTIONS, versions=versions)


def _version_out(measured: Measured[DriftHistory]) -> VersionDriftOut:
    drift, names = measured.found.now, measured.model.classes
    return VersionDriftOut(
        version=measured.model.version,
        digest=measured.model.digest,
        reference=_reference_out(drift.reference),
        window=_window_out(drift),
        is_enough=drift.is_enough,
        is_alarm=drift.is_alarm,
        note=drift.note,
        classes=_classes_out(drift.classes, names) if drift.classes else None,
        confidences=_confidences_out(drift.confidences) if drift.confidences else None,
        days=[_day_out(one) for one in measured.found.days],
    )


def _reference_out(reference: Reference) -> ReferenceOut:
    return ReferenceOut(
        source=reference.source.value,
        count=reference.count,
        wanted=reference.wanted,
        is_complete=reference.is_complete,
    )


def _window_out(drift: LiveDrift) -> WindowOut:
    return WindowOut(count=drift.window, wanted=WINDOW, since=drift.since, until=drift.until)


def _classes_out(drift: ClassDrift, names: tuple[str, ...]) -> ClassDriftOut:
    return ClassDriftOut(
        psi=rounded(drift.psi.value),
        threshold=drift.psi.threshold,
        by_chance=rounded(drift.psi.by_chance),
        is_alarm=drift.psi.is_alarm,
        groups=[_group_out(one, names) for one in drift.groups],
        changed=[_changed_out(one, names) for one in drift.changed],
    )


def _group_out(group: ClassGroup, names: tuple[str, ...]) -> ClassGroupOut:
    return ClassGroupOut(
        first_class_id=group.first_class_id,
        last_class_id=group.last_class_id,
        first_class_name=names[group.first_class_id],
        last_class_name=names[group.last_class_id],
        reference=rounded(group.reference),
        window=rounded(group.window),
    )


def _changed_out(changed: ChangedClass, names: tuple[str, ...]) -> ChangedClassOut:
    return ChangedClassOut(
        class_id=changed.class_id,
        class_name=names[changed.class_id],
        reference=rounded(changed.reference),
        window=rounded(changed.window),
    )


def _confidences_out(drift: ConfidenceDrift) -> ConfidenceDriftOut:
    shares = enumerate(zip(drift.reference, drift.window, strict=True))
    return ConfidenceDriftOut(
        ks=rounded(drift.ks.value),
        threshold=drift.ks.threshold,
        by_chance=rounded(drift.ks.by_chance),
        is_alarm=drift.ks.is_alarm,
        reference_mean=rounded(drift.reference_mean),
        window_mean=rounded(drift.window_mean),
        bins=[_bin_out(place, before, now) for place, (before, now) in shares],
    )


def _bin_out(place: int, before: float, now: float) -> ConfidenceBinOut:
    return ConfidenceBinOut(
        low=rounded(place / SHOWN_BINS),
        high=rounded((place + 1) / SHOWN_BINS),
        reference=rounded(before),
        window=rounded(now),
    )


def _day_out(one: DriftOfDay) -> DriftDayOut:
    return DriftDayOut(
        date=one.day,
        predictions=one.predictions,
        psi=rounded(one.psi.value) if one.psi else None,
        ks=rounded(one.ks.value) if one.ks else None,
        is_alarm=one.is_alarm,
    )
