"""The shapes of live accuracy on the wire, and what may be asked."""

from datetime import date as Date  # noqa: N812 - a field is called date
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from topfive.api.schemas import Shape
from topfive.service.live.accuracy import (
    LEAST_LABELS,
    AccuracyOfDay,
    AccuracyQuery,
    LabelSampling,
    LiveAccuracy,
    LiveCalibration,
)
from topfive.service.live.measures import Measured
from topfive.statistics.calibration import CalibrationBin
from topfive.statistics.proportions import Interval, estimate_proportion, rounded


class VersionFields(BaseModel):
    """Which versions are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = Field(
        None, max_length=200, description="One version alone; all that were used if left out."
    )


class AccuracyFields(VersionFields):
    """Which labelled predictions count."""

    labels: int = Field(
        1000, ge=1, le=10_000, description="How many of the newest labelled predictions count."
    )
    days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Only predictions of the last so many days count; all if left out.",
    )

    def query(self) -> AccuracyQuery:
        """Say it in the service's terms."""
        return AccuracyQuery(self.labels, self.days)


class IntervalOut(Shape):
    """A share, and its 95% interval."""

    value: float
    low: float
    high: float


class CalibrationBinOut(Shape):
    """Labelled predictions with a confidence above `low` and not above `high`."""

    low: float
    high: float
    count: int
    confidence: float = Field(description="Their mean confidence; 0 where there are none.")
    accuracy: IntervalOut | None = Field(description="Null: there are none.")


class CalibrationOut(Shape):
    """Whether a confidence means something: of all with 0.8, are 8 in 10 right?"""

    error: float = Field(description="The expected calibration error.")
    error_by_chance: float = Field(
        description="A perfectly calibrated model shows more than this in 1 of 20 cases."
    )
    is_off: bool = Field(description="Whether the error is beyond chance, with labels enough.")
    mean_confidence: float
    bins: list[CalibrationBinOut]


class SamplingOut(Shape):
    """Whether labelled predictions are as sure as all are."""

    labelled_mean_confidence: float
    predicted_mean_confidence: float
    is_representative: bool = Field(
        description="False: what is labelled differs from what is predicted, and so may its "
        "accuracy."
    )


class AccuracyDayOut(Shape):
    """The labelled predictions of one day, in UTC."""

    date: Date
    labels: int
    top1: IntervalOut
    top5: IntervalOut


class VersionAccuracyOut(Shape):
    """How often a version was right; what is null needs a label."""

    version: str
    digest: str
    labels: int = Field(description="How many labelled predictions count.")
    is_enough: bool = Field(description="Whether they are enough to tell anything by.")
    note: str | None = Field(description="What a reader must know of the numbers.")
    since: datetime | None = Field(description="When the first of them was made.")
    until: datetime | None = Field(description="When the last of them was made.")
    top1: IntervalOut | None
    top5: IntervalOut | None
    held_out_top1: float | None = Field(
        description="The accuracy on held-out photos when the bundle was made. Null: not known."
    )
    calibration: CalibrationOut | None
    sampling: SamplingOut | None
    days: list[AccuracyDayOut] = Field(description="Oldest first; days without labels left out.")


class AccuracyOut(Shape):
    """The live accuracy of a model's versions; first the one that was used last."""

    model: str
    least_labels: int = Field(description="Fewer labels tell nothing.")
    versions: list[VersionAccuracyOut]


def accuracy_out(name: str, measured: tuple[Measured[LiveAccuracy], ...]) -> AccuracyOut:
    """Shape what was measured."""
    versions = [_version_out(one) for one in measured]
    return AccuracyOut(model=name, least_labels=LEAST_LABELS, versions=versions)


def _version_out(measured: Measured[LiveAccuracy]) -> VersionAccuracyOut:
    live = measured.found
    known = live.measured
    return VersionAccuracyOut(
        version=measured.model.version,
        digest=measured.model.digest,
        labels=live.labels,
        is_enough=live.is_enough,
        note=live.note,
        since=known.since if known else None,
        until=known.until if known else None,
        top1=interval_out(known.top1) if known else None,
        top5=interval_out(known.top5) if known else None,
        held_out_top1=measured.held_out_top1,
        calibration=_calibration_out(known.calibration) if known else None,
        sampling=_sampling_out(known.sampling) if known else None,
        days=[_day_out(one) for one in known.days] if known else [],
    )


def interval_out(interval: Interval) -> IntervalOut:
    """Shape a share and its interval."""
    return IntervalOut(**interval.to_document())


def _calibration_out(calibration: LiveCalibration) -> CalibrationOut:
    return CalibrationOut(
        error=rounded(calibration.error),
        error_by_chance=rounded(calibration.error_by_chance),
        is_off=calibration.is_off,
        mean_confidence=rounded(calibration.mean_confidence),
        bins=[_bin_out(one) for one in calibration.bins],
    )


def _bin_out(one: CalibrationBin) -> CalibrationBinOut:
    right = round(one.accuracy * one.count)
    return CalibrationBinOut(
        low=rounded(one.low),
        high=rounded(one.high),
        count=one.count,
        confidence=rounded(one.confidence),
        accuracy=interval_out(estimate_proportion(right, one.count)) if one.count else None,
    )


def _sampling_out(sampling: LabelSampling) -> SamplingOut:
    return SamplingOut(
        labelled_mean_confidence=rounded(sampling.labelled),
        predicted_mean_confidence=rounded(sampling.predicted),
        is_representative=sampling.is_representative,
    )


def _day_out(one: AccuracyOfDay) -> AccuracyDayOut:
    return AccuracyDayOut(
        date=one.day, labels=one.labels, top1=interval_out(one.top1), top5=interval_out(one.top5)
    )
