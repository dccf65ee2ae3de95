"""The plots of a bulk run."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from topfive.bulk.report.classes import CONFIDENCE_BINS
from topfive.bulk.report.course import Timeline
from topfive.bulk.report.sizes import SIZE_EDGES
from topfive.html_reports.plots import (
    FIRST,
    QUIET,
    SECOND,
    percentage,
    plot_style,
    start_plot,
    to_svg,
)

Counts = npt.NDArray[np.int64]
_LINES = ("-", "--", ":", "-.")
# So many nodes can be told apart.
MOST_NODES = len(_LINES)


def draw_confidences(bins: Counts) -> str:
    """Draw how many pictures have which confidence of their best class."""
    with plot_style():
        figure, axes = start_plot("Confidence of the best class", "Pictures")
        axes.stairs(bins, np.linspace(0, 1, CONFIDENCE_BINS + 1), fill=True, color=FIRST)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(percentage)
        _count_up(axes)
        return to_svg(figure, "confidences")


def draw_sizes(bins: Counts, across: str, unit: str, name: str) -> str:
    """Draw how many pictures have which size, on a logarithmic axis."""
    with plot_style():
        figure, axes = start_plot(across, "Pictures")
        axes.stairs(bins, SIZE_EDGES, fill=True, color=FIRST)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(EngFormatter(unit))
        axes.xaxis.set_minor_formatter(NullFormatter())
        filled = np.flatnonzero(bins)
        if len(filled):
            first, last = max(filled[0] - 1, 0), min(filled[-1] + 2, len(bins))
            axes.set_xlim(SIZE_EDGES[first], SIZE_EDGES[last])
        _count_up(axes)
        return to_svg(figure, name)


def draw_timeline(timeline: Timeline) -> str:
    """Draw how many pictures a second there were over the time at work, as a whole and by node."""
    unit, seconds = _unit(float(timeline.edges_s[-1]))
    with plot_style():
        figure, axes = start_plot(f"{unit} at work", "Pictures a second")
        edges = timeline.edges_s / seconds
        axes.stairs(timeline.rates, edges, fill=True, color=FIRST, alpha=0.35, label="all")
        for line, (node, rates) in zip(_LINES, timeline.by_node.items(), strict=False):
            axes.stairs(rates, edges, color=SECOND, linestyle=line, linewidth=1.5, label=node)
        for at in timeline.pauses_s:
            axes.axvline(at / seconds, color=QUIET, linestyle=":")
        axes.set_xlim(0, edges[-1])
        axes.set_ylim(0, None)
        if timeline.by_node:
            figure.legend(loc="outside upper center", ncols=len(timeline.by_node) + 1)
        return to_svg(figure, "timeline")


def _unit(length_s: float) -> tuple[str, float]:
    if length_s < 180:
        return "Seconds", 1.0
    return ("Minutes", 60.0) if length_s < 3 * 3600 else ("Hours", 3600.0)


def _count_up(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylim(0, None)
