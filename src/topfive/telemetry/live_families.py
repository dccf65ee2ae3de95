"""How well versions do, as Prometheus is told: only what is known, and of all workers once."""

from collections.abc import Iterable, Iterator
from typing import Any

from topfive.telemetry.metrics import LiveFigures

_LABELS = ["model", "version"]


def live_families(figures: Iterable[LiveFigures]) -> Iterator[Any]:
    """Give the families of samples that tell of these versions; none where there are none."""
    told = tuple(figures)
    if told:
        yield from _accuracy(told)
        yield from _plain(told)


def _accuracy(figures: tuple[LiveFigures, ...]) -> Iterator[Any]:
    text = "Share of right answers among the k most likely classes, by labels"
    for suffix, field, bound in (
        ("", "value", ""),
        ("_low", "low", ": the low end of its 95% interval"),
        ("_high", "high", ": the high end of its 95% interval"),
    ):
        family = _gauge(f"topfive_live_accuracy{suffix}", f"{text}{bound}.", "k")
        for one in figures:
            for k, interval in one.accuracy.items():
                labels = [one.model.name, one.model.version, str(k)]
                family.add_metric(labels, getattr(interval, field))
        yield family


def _plain(figures: tuple[LiveFigures, ...]) -> Iterator[Any]:
    for name, field, text in (
        ("topfive_labelled_predictions", "labels", "Labelled predictions that are counted."),
        (
            "topfive_labels_representative",
            "is_representative",
            "1 where labelled predictions are as sure as all are.",
        ),
        (
            "topfive_held_out_accuracy",
            "held_out_accuracy",
            "Share of right answers on held-out photos when the bundle was made.",
        ),
        (
            "topfive_live_calibration_error",
            "calibration_error",
            "How far confidence and accuracy lie apart, by labels.",
        ),
        (
            "topfive_drift_psi",
            "psi",
            "How far predicted classes lie from the reference: population stability index.",
        ),
        (
            "topfive_drift_ks",
            "ks",
            "How far confidences lie from the reference: Kolmogorov-Smirnov distance.",
        ),
        (
            "topfive_drift_alarm",
            "is_drifting",
            "1 while classes or confidences lie too far from the reference.",
        ),
    ):
        family = _gauge(name, text)
        for one in figures:
            value = getattr(one, field)
            if value is not None:
                family.add_metric([one.model.name, one.model.version], float(value))
        yield family


def _gauge(name: str, text: str, *further: str) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return GaugeMetricFamily(name, text, labels=[*_LABELS, *further])
