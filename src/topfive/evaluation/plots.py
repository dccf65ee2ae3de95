"""Plots as SVG that stands inside a page and takes its colours from it, light or dark."""

import io
import re
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from topfive.evaluation.answers import Answers
from topfive.statistics.calibration import BINS, CalibrationBin
from topfive.statistics.proportions import estimate_proportion

# Colours that stand for the page's: each is replaced by a variable of its style sheet.
_INK, _QUIET, _LINE, _RIGHT, _WRONG = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05"
_VARIABLES = {_INK: "ink", _QUIET: "quiet", _LINE: "line", _RIGHT: "right", _WRONG: "wrong"}
_SIZE_IN = (5.0, 3.5)
_STYLE = {
    # Text stays text: it can be searched, read aloud, and has the page's font.
    "svg.fonttype": "none",
    # The same plot is the same file.
    "svg.hashsalt": "topfive",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
}
_NO_DATE: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def draw_reliability(bins: tuple[CalibrationBin, ...], name: str) -> str:
    """Draw how often answers are right, by their confidence, each with its 95% interval.

    `name` sets the plot's ids apart from those of others in the page.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _start("Confidence", "Share that is right")
        filled = [one for one in bins if one.count]
        middles = [one.confidence for one in filled]
        shares = [one.accuracy for one in filled]
        around = [estimate_proportion(round(one.accuracy * one.count), one.count) for one in filled]
        reaches = [
            [share - one.low for share, one in zip(shares, around, strict=True)],
            [one.high - share for share, one in zip(shares, around, strict=True)],
        ]
        axes.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", label="as sure as right")
        axes.errorbar(
            middles, shares, np.abs(reaches), color=_RIGHT, ecolor=_QUIET, marker="o", capsize=2,
            label="this model",
        )  # fmt: skip
        _as_percentages(axes, both=True)
        axes.legend(loc="lower right")
        return _to_svg(figure, name)


def draw_confidences(answers: Answers, name: str) -> str:
    """Draw how many answers have which confidence, right ones and wrong ones."""
    with mpl.rc_context(_STYLE):
        figure, axes = _start("Confidence", "Photos")
        parts = [answers.confidences[answers.is_right], answers.confidences[~answers.is_right]]
        axes.hist(
            parts, bins=BINS, range=(0, 1), stacked=True, color=[_RIGHT, _WRONG],
            label=["right", "wrong"],
        )  # fmt: skip
        _as_percentages(axes, both=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left")
        return _to_svg(figure, name)


def draw_latencies(answers: Answers, name: str) -> str:
    """Draw which share of the photos took at most how many milliseconds."""
    with mpl.rc_context(_STYLE):
        figure, axes = _start("Milliseconds", "Share of the photos")
        most = float(np.percentile(answers.total_ms, 99))
        axes.ecdf(answers.total_ms, color=_RIGHT, label="whole", linewidth=2)
        axes.ecdf(
            answers.inference_ms, color=_WRONG, label="model alone", linewidth=2, linestyle="--"
        )
        axes.set_xlim(0, most * 1.05)
        axes.yaxis.set_major_formatter(_percentage)
        axes.legend(loc="lower right")
        return _to_svg(figure, name)


def _start(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _as_percentages(axes: Axes, *, both: bool) -> None:
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(_percentage)
    if both:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(_percentage)


def _percentage(value: float, _place: object) -> str:
    return f"{value:.0%}"


def _to_svg(figure: Figure, name: str) -> str:
    """Write a figure as an element of a page: no size of its own, its ids begin with `name`."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=_NO_DATE)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg
