"""What `topfive evaluate` does, from the names of bundles to what it prints and writes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from topfive.classify.classifier import Classifier
from topfive.cli.evaluation_table import show_evaluations
from topfive.cli.named_bundles import find_named_bundle
from topfive.cli.progress import show_bar
from topfive.datasets.dataset import Dataset, LabelledPhoto
from topfive.datasets.reading import read_dataset
from topfive.engines import EngineOptions
from topfive.evaluation.evaluation import Compared, Evaluation, evaluate, hold_against
from topfive.evaluation.photos import (
    PartChoice,
    choose_photos,
    count_seen,
    read_split,
    share_classes,
)
from topfive.evaluation.wrong_answers import worst_answers
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.registry.loader import LoadOptions, open_classifier
from topfive.settings import Settings
from topfive.telemetry.console import printable

Photos = tuple[LabelledPhoto, ...]


@dataclass(frozen=True, slots=True)
class EvaluationChoices:
    """What was given on the command line."""

    bundle: str
    photos: Path
    against: str | None
    report: Path | None
    as_json: bool
    part: PartChoice
    worst: int
    engine: str | None
    precision: str | None
    against_engine: str | None
    against_precision: str | None
    models_dir: Path | None


@dataclass(frozen=True, slots=True)
class _ChosenPhotos:
    """The photos, with each model's own class ids, and what a person should know of them."""

    dataset: Dataset
    by_model: tuple[Photos, ...]
    notes: tuple[str, ...]


def run_evaluation(choices: EvaluationChoices, settings: Settings) -> None:
    """Evaluate one model, or two, and tell what came of it.

    Raises an OperatorError if a bundle, the photos or the report cannot be used.
    """
    with _open_classifiers(choices, settings) as classifiers:
        chosen = _choose_photos(choices, settings, classifiers)
        for note in chosen.notes:
            click.echo(f"Note: {printable(note)}", err=True)
        evaluation, *others = [
            _evaluate(*pair) for pair in zip(classifiers, chosen.by_model, strict=True)
        ]
    against = hold_against(evaluation, others[0]) if others else None
    if choices.report:
        evaluated = (evaluation, against)
        _report(choices.report, choices, chosen.notes, settings.image_limits, evaluated)
    if choices.as_json:
        click.echo(json.dumps(_document(choices, chosen, evaluation, against)))
    else:
        show_evaluations([evaluation, *others], against.comparison if against else None)


@contextmanager
def _open_classifiers(choices: EvaluationChoices, settings: Settings) -> Iterator[list[Classifier]]:
    """Load the bundles into their engines, checked as for serving; closed at the end."""
    models_dir = choices.models_dir or settings.models_dir
    asked = _asked(choices, settings)
    folders = [find_named_bundle(name, models_dir) for name, _ in asked]
    with ExitStack() as stack:
        classifiers = []
        for folder, (_, engine) in zip(folders, asked, strict=True):
            options = LoadOptions(engine, settings.image_limits, probe_machine().cpu_flags)
            classifiers.append(open_classifier(folder, options))
            stack.callback(classifiers[-1].close)
        yield classifiers


def _asked(choices: EvaluationChoices, settings: Settings) -> list[tuple[str, EngineOptions]]:
    """List the bundles that are named, each with the engine that it is to run in."""
    engine, precision = choices.engine or settings.engine, choices.precision or settings.precision
    asked = [(choices.bundle, EngineOptions(engine, precision))]
    if choices.against is not None:
        options = EngineOptions(
            choices.against_engine or engine, choices.against_precision or precision
        )
        asked.append((choices.against, options))
    return asked


def _choose_photos(
    choices: EvaluationChoices, settings: Settings, classifiers: list[Classifier]
) -> _ChosenPhotos:
    labels = [one.bundle.labels for one in classifiers]
    with show_bar("Reading photos") as report:
        dataset = read_dataset(
            choices.photos, labels[0], limits=settings.image_limits, report=report
        )
    splits = [read_split(one.bundle) for one in classifiers]
    photos = choose_photos(dataset.photos, choices.part, splits)
    notes = [
        *dataset.notes,
        *_left_out(choices.part, len(dataset.photos) - len(photos)),
        *_seen(count_seen(photos, splits)),
    ]
    if len(classifiers) == 1:
        return _ChosenPhotos(dataset, (photos,), tuple(notes))
    shared = share_classes(photos, *labels)
    if len(shared[0]) < len(photos):
        missing = _count_photos(len(photos) - len(shared[0]))
        notes.append(f"{missing} left out: one of the two models does not have their class.")
    return _ChosenPhotos(dataset, shared, tuple(notes))


def _left_out(part: PartChoice, count: int) -> list[str]:
    if not count:
        return []
    why = f"which are not in the part {part}."
    if part == "unseen":
        why = "which a model was trained on or chosen by. --part all takes them too."
    return [f"{_count_photos(count)} left out, {why}"]


def _seen(count: int) -> list[str]:
    if not count:
        return []
    photos = f"{_count_photos(count)} among these that a model was trained on or chosen by"
    return [f"{photos}: it does better on them than on others."]


def _count_photos(count: int) -> str:
    return "1 photo is" if count == 1 else f"{count} photos are"


def _evaluate(classifier: Classifier, photos: Photos) -> Evaluation:
    with show_bar(f"Classifying with {classifier.ref.name}") as report:
        return evaluate(classifier, photos, lambda done: report(done, len(photos)))


def _report(
    path: Path,
    choices: EvaluationChoices,
    notes: tuple[str, ...],
    limits: ImageLimits,
    evaluated: tuple[Evaluation, Compared | None],
) -> None:
    # matplotlib is wanted for this alone.
    from topfive.evaluation.report import ReportOptions, write_report  # noqa: PLC0415

    photos = choices.photos
    options = ReportOptions(
        photos=str(photos),
        root=photos if photos.is_dir() else photos.parent,
        part=choices.part,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        limits=limits,
        most_wrong=choices.worst,
        notes=notes,
    )
    write_report(path, *evaluated, options)
    click.echo(f"Report: {path}", err=True)


def _document(
    choices: EvaluationChoices,
    chosen: _ChosenPhotos,
    evaluation: Evaluation,
    against: Compared | None,
) -> dict[str, Any]:
    """Make what --json prints."""
    document = {
        **evaluation.to_document(),
        "dataset": {
            "sha256": chosen.dataset.sha256,
            "photos": len(chosen.dataset.photos),
            "part": choices.part,
            "notes": chosen.notes,
        },
        "worst": [one.to_document() for one in worst_answers(evaluation, choices.worst)],
        "failures": [
            {"file": str(one.photo.path), "reason": one.reason}
            for one in evaluation.answers.failures
        ],
    }
    if against:
        document["against"] = against.evaluation.to_document()
        document["comparison"] = {
            "first_model": against.evaluation.model.title,
            "second_model": evaluation.model.title,
            **against.comparison.to_document(),
        }
    return document
