"""A bulk run as one HTML file that needs nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from topfive import __version__
from topfive.bulk.report.course import Timeline
from topfive.bulk.report.gathering import Gathered, gather
from topfive.bulk.report.plots import MOST_NODES, draw_confidences, draw_sizes, draw_timeline
from topfive.bulk.results.folder import open_results
from topfive.html_reports.page import open_template, write_page
from topfive.telemetry.console import printable

_MOST_CLASSES = 1000
_TOP_CLASSES = 30
_MOST_NODES = 100
_LONGEST_NAME = 160


def write_report(place: str, path: Path, report: Callable[[int, int], None]) -> Gathered:
    """Read a run's results at a path or an address, and write what came of it as HTML.

    `report` is told how many shards are read, of how many. Raises as `gather`, and OperatorError
    if the report cannot be written.
    """
    folder = open_results(place)
    gathered = gather(folder, report)
    write_page(path, render_report(gathered, folder.shown))
    return gathered


def render_report(gathered: Gathered, shown: str) -> str:
    """Make the HTML of a report; `shown` is where the results are."""
    classes, nodes = gathered.classes.most_frequent(), gathered.course.by_node()
    timeline = gathered.course.timeline(_told_apart([one.node for one in nodes]))
    template = open_template(
        "topfive.bulk.report", number=number, size=size, duration=duration, shown=show, ms=ms
    )
    return template.render(
        topfive=__version__,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        folder=shown,
        run=gathered.manifest,
        all=gathered,
        classes=classes[:_MOST_CLASSES],
        top_classes=classes[:_TOP_CLASSES],
        more_classes=len(classes) - _MOST_CLASSES,
        failures=gathered.failures.most_frequent(),
        formats=gathered.sizes.most_frequent(),
        nodes=nodes[:_MOST_NODES],
        more_nodes=len(nodes) - _MOST_NODES,
        pauses=len(timeline.pauses_s),
        plots=_draw(gathered, timeline),
    )


def _told_apart(nodes: list[str]) -> list[str]:
    """Choose the nodes that the plot tells apart: one alone is the whole, of many none."""
    return nodes if 1 < len(nodes) <= MOST_NODES else []


def _draw(gathered: Gathered, timeline: Timeline) -> dict[str, str]:
    sizes = gathered.sizes
    return {
        "timeline": draw_timeline(timeline),
        "confidences": draw_confidences(gathered.classes.confidence_bins),
        "bytes": draw_sizes(sizes.byte_bins, "Size of the file", "B", "bytes"),
        "pixels": draw_sizes(sizes.pixel_bins, "Pixels", "px", "pixels"),
    }


def number(value: float) -> str:
    """Write a whole number, its thousands apart; one below ten that is none with two digits."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def ms(value: float) -> str:
    """Write a time in milliseconds; from ten seconds on in seconds."""
    return f"{value / 1000:,.1f} s" if value >= 10_000 else f"{value:,.1f} ms"


def size(value: float) -> str:
    """Write a number of bytes in the largest unit that it has at least one of."""
    unit, units = "B", ["kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and units:
        value, unit = value / 1000, units.pop(0)
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"


def duration(value_s: float) -> str:
    """Write how long something took, in its two largest units."""
    if value_s < 120:
        return f"{value_s:.1f} s"
    minutes, seconds = divmod(round(value_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def show(text: str) -> str:
    """Write a name so that nothing in it can hide, or steer the text around it; a long one cut."""
    text = printable(text)
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[: _LONGEST_NAME // 4]}…{text[-_LONGEST_NAME * 3 // 4 :]}"
