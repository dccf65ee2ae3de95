"""The plots of an evaluation."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from topfive.evaluation.answers import Answers
from topfive.html_reports.plots import (
    FIRST,
    QUIET,
    SECOND,
    percentage,
    plot_style,
    start_plot,
    to_svg,
)
from topfive.statistics.calibration import BINS, CalibrationBin
from topfive.statistics.proportions import estimate_proportion


def draw_reliability(bins: tuple[CalibrationBin, ...], name: str) -> str:
    """Draw how often answers are right, by their confidence, each with its 95% interval.

    `name` sets the plot's ids apart from those of others in the page.
    """
    with plot_style():
        figure, axes = start_plot("Confidence", "Share that is right")
        filled = [one for one in bins if one.count]
        middles = [one.confidence for one in filled]
        shares = [one.accuracy for one in filled]
        around = [estimate_proportion(round(one.accuracy * one.count), one.count) for one in filled]
        reaches = [
            [share - one.low for share, one in zip(shares, around, strict=True)],
            [one.high - share for share, one in zip(shares, around, strict=True)],
        ]
        axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", label="as sure as right")
        axes.errorbar(
            middles, shares, np.abs(reaches), color=FIRST, ecolor=QUIET, marker="o", capsize=2,
            label="this model",
        )  # fmt: skip
        _as_percentages(axes, both=True)
        axes.legend(loc="lower right")
        return to_svg(figure, name)


def draw_confidences(answers: Answers, name: str) -> str:
    """Draw how many answers have which confidence, right ones and wrong ones."""
    with plot_style():
        figure, axes = start_plot("Confidence", "Photos")
        parts = [answers.confidences[answers.is_right], answers.confidences[~answers.is_right]]
        axes.hist(
            parts, bins=BINS, range=(0, 1), stacked=True, color=[FIRST, SECOND],
            label=["right", "wrong"],
        )  # fmt: skip
        _as_percentages(axes, both=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left")
        return to_svg(figure, name)


def draw_latencies(answers: Answers, name: str) -> str:
    """Draw which share of the photos took at most how many milliseconds."""
    with plot_style():
        figure, axes = start_plot("Milliseconds", "Share of the photos")
        most = float(np.percentile(answers.total_ms, 99))
        axes.ecdf(answers.total_ms, color=FIRST, label="whole", linewidth=2)
        axes.ecdf(
            answers.inference_ms, color=SECOND, label="model alone", linewidth=2, linestyle="--"
        )
        axes.set_xlim(0, most * 1.05)
        axes.yaxis.set_major_formatter(percentage)
        axes.legend(loc="lower right")
        return to_svg(figure, name)


def _as_percentages(axes: Axes, *, both: bool) -> None:
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(percentage)
    if both:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(percentage)
