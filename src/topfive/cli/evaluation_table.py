"""An evaluation on the terminal: what was measured, the worst classes, which model is better."""

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from topfive.evaluation.comparison import Comparison
from topfive.evaluation.confusion_table import list_confused_pairs
from topfive.evaluation.evaluation import Evaluation, short_titles
from topfive.evaluation.metrics import Metrics
from topfive.statistics.proportions import Interval
from topfive.telemetry.console import printable

_MOST_CLASSES = 10
_MOST_PAIRS = 5


def show_evaluations(evaluations: list[Evaluation], comparison: Comparison | None) -> None:
    """Print what was measured of one model, or of two and which is better."""
    console = Console()
    titles = [one.model.title for one in evaluations]
    console.print(_text(" against ".join(titles)), style="bold")
    console.print(_measures(evaluations))
    console.print(_worst_classes(evaluations[0]))
    pairs = list_confused_pairs(evaluations[0].metrics, _MOST_PAIRS)
    for truth, prediction, count, of in pairs:
        console.print(_text(f"{count} of {of} {truth}: taken for {prediction}"))
    if comparison:
        console.print(_text(_verdict(evaluations, comparison)), style="bold")


def _measures(evaluations: list[Evaluation]) -> Table:
    table = Table(show_header=len(evaluations) > 1)
    table.add_column("measured")
    for name in short_titles(evaluations):
        table.add_column(_text(name), justify="right")
    has_top5 = any(len(one.classes) > 5 for one in evaluations)
    for name, write in _ROWS.items():
        if name != _TOP5 or has_top5:
            table.add_row(name, *(write(one.metrics) for one in evaluations))
    return table


def _worst_classes(evaluation: Evaluation) -> Table:
    classes = evaluation.metrics.classes
    ordered = sorted(classes, key=lambda one: (one.f1 or 0, -one.count))[:_MOST_CLASSES]
    more = len(classes) - len(ordered)
    table = Table(caption=f"and {more} more classes" if more else None)
    table.add_column("class")
    for heading in ("photos", "precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    for one in ordered:
        shares = (_percent(share) for share in (one.precision, one.recall, one.f1))
        table.add_row(_text(one.class_name), str(one.count), *shares)
    return table


def _verdict(evaluations: list[Evaluation], comparison: Comparison) -> str:
    this, other = short_titles(evaluations)
    result = f"These photos do not show which is better, {this} or {other}"
    if comparison.is_better or comparison.is_worse:
        word = "better" if comparison.is_better else "worse"
        result = f"{this} is {word} than {other}, beyond what chance explains"
    difference = comparison.difference
    return (
        f"{result}: {100 * difference.value:+.1f} points (95% interval "
        f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}) of top-1 accuracy over "
        f"{comparison.count} photos. {this} alone gets {comparison.only_second} right, {other} "
        f"alone {comparison.only_first}; p = {comparison.p_value:.2g}."
    )


def _share(estimate: Interval) -> str:
    return f"{_percent(estimate.value)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _milliseconds(times: dict[str, float]) -> str:
    return f"{times['p50']:.1f} ms (99 of 100: {times['p99']:.1f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _text(text: str) -> Text:
    # A plain string would be read as rich's markup.
    return Text(printable(text))


_TOP5 = "top-5 accuracy"
_ROWS: dict[str, Callable[[Metrics], str]] = {
    "photos": lambda metrics: str(metrics.count),
    "top-1 accuracy": lambda metrics: _share(metrics.top1),
    _TOP5: lambda metrics: _share(metrics.top5),
    "balanced accuracy": lambda metrics: _percent(metrics.macro_recall),
    "calibration error": lambda metrics: _percent(metrics.calibration_error),
    "mean confidence": lambda metrics: _percent(metrics.mean_confidence),
    "model alone": lambda metrics: _milliseconds(metrics.inference_ms),
    "file to answer": lambda metrics: _milliseconds(metrics.total_ms),
}
