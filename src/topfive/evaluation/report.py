"""An evaluation as one HTML file that needs nothing else: plots, tables and photos are in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topfive import __version__
from topfive.evaluation.confusion_table import list_confused_pairs, tabulate_confusions
from topfive.evaluation.evaluation import Compared, Evaluation, short_titles
from topfive.evaluation.plots import draw_confidences, draw_latencies, draw_reliability
from topfive.evaluation.thumbnails import draw_thumbnail
from topfive.evaluation.wrong_answers import WrongAnswer, worst_answers, wrong_alone
from topfive.html_reports.page import open_template, write_page
from topfive.images.limits import ImageLimits
from topfive.statistics.proportions import Interval

_MOST_PAIRS = 15


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report says of its photos, and how many of them it shows.

    `photos` names the folder or CSV as it was given; files are named from `root` on.
    """

    photos: str
    root: Path
    part: str
    date: str
    limits: ImageLimits
    most_wrong: int = 24
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """A wrong answer with its small picture; `picture` is empty where the file is gone."""

    answer: WrongAnswer
    file: str
    picture: str


def write_report(
    path: Path, evaluation: Evaluation, against: Compared | None, options: ReportOptions
) -> None:
    """Write a report of one model, held against another where there is one.

    Raises OperatorError if the file cannot be written; a former one is still there then.
    """
    write_page(path, render_report(evaluation, against, options))


def render_report(evaluation: Evaluation, against: Compared | None, options: ReportOptions) -> str:
    """Make the HTML of a report."""
    evaluations = [evaluation, against.evaluation] if against else [evaluation]
    return open_template("topfive.evaluation", interval=interval).render(
        topfive=__version__,
        options=options,
        models=[_model(one, place) for place, one in enumerate(evaluations)],
        main=evaluation,
        shorts=short_titles(evaluations),
        failures=[
            (_name(one.photo.path, options.root), one.reason) for one in evaluation.answers.failures
        ],
        classes=_worst_first(evaluation),
        confusions=tabulate_confusions(evaluation.metrics),
        pairs=list_confused_pairs(evaluation.metrics, _MOST_PAIRS),
        comparison=against.comparison if against else None,
        galleries=_galleries(evaluation, options, against),
    )


def interval(estimate: Interval) -> str:
    """Write the interval of a share."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}%"


def _model(evaluation: Evaluation, place: int) -> dict[str, Any]:
    answers, metrics = evaluation.answers, evaluation.metrics
    return {
        "title": evaluation.model.title,
        "model": evaluation.model,
        "metrics": metrics,
        "classes": len(evaluation.classes),
        "reliability": draw_reliability(metrics.bins, f"reliability{place}"),
        "confidences": draw_confidences(answers, f"confidences{place}"),
        "latencies": draw_latencies(answers, f"latencies{place}"),
    }


def _worst_first(evaluation: Evaluation) -> list[Any]:
    return sorted(evaluation.metrics.classes, key=lambda one: (one.f1 or 0, -one.count))


def _galleries(
    evaluation: Evaluation, options: ReportOptions, against: Compared | None
) -> list[tuple[str, str, list[_Shown]]]:
    """List the galleries of wrong answers: title, a sentence on it, and the answers."""
    most = options.most_wrong
    worst = (
        "Worst mistakes",
        "Wrong answers, the surest first. Where the label is wrong and not the answer, correct it.",
        worst_answers(evaluation, most),
    )
    galleries = [worst]
    if against:
        first, second = against.evaluation, evaluation
        galleries += [
            _only_wrong(second, first, most),
            _only_wrong(first, second, most),
        ]
    return [(title, text, _show(answers, options)) for title, text, answers in galleries]


def _only_wrong(
    wrong: Evaluation, right: Evaluation, most: int
) -> tuple[str, str, list[WrongAnswer]]:
    name, other = short_titles([wrong, right])
    title = f"Wrong with {name} alone"
    return title, f"{other} gets these right.", wrong_alone(wrong, right, most)


def _show(answers: Sequence[WrongAnswer], options: ReportOptions) -> list[_Shown]:
    return [
        _Shown(
            one,
            _name(one.photo.path, options.root),
            draw_thumbnail(one.photo.path, options.limits),
        )
        for one in answers
    ]


def _name(path: Path, root: Path) -> str:
    """Name a file from the root on; elsewhere by its folder, without the way to that."""
    return str(path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-2:]))
