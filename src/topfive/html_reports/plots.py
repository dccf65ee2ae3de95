"""Plots as SVG that stands inside a page and takes its colours from it, light or dark."""

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that stand for the page's: each is replaced by a variable of its style sheet.
INK, QUIET, LINE, FIRST, SECOND = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05"
_VARIABLES = {INK: "ink", QUIET: "quiet", LINE: "line", FIRST: "first", SECOND: "second"}
_SIZE_IN = (5.0, 3.5)
_STYLE = {
    # Text stays text: it can be searched, read aloud, and has the page's font.
    "svg.fonttype": "none",
    # The same plot is the same file.
    "svg.hashsalt": "topfive",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    # A name with two dollars is no formula.
    "text.parse_math": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
_NO_DATE: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def plot_style() -> AbstractContextManager[None]:
    """Draw in the style of reports while the block runs."""
    return mpl.rc_context(_STYLE)


def start_plot(
    across: str, up: str, size_in: tuple[float, float] = _SIZE_IN
) -> tuple[Figure, Axes]:
    """Begin a plot without a background, with what its two axes are called."""
    figure = Figure(figsize=size_in, layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def percentage(value: float, _place: object) -> str:
    """Write a tick of an axis of shares."""
    return f"{value:.0%}"


def to_svg(figure: Figure, name: str) -> str:
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
