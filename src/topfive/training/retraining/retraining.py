"""Trains on from a version, and keeps in the bundle how it does beside the one before."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from topfive.bundles.manifest import COMPARISON_FILE
from topfive.bundles.store import Bundle
from topfive.classify.classifier import Classifier
from topfive.evaluation.answers import Answers
from topfive.training.export import Findings
from topfive.training.finetuning.bases import base_of_bundle
from topfive.training.finetuning.plan import TrainingPlan
from topfive.training.finetuning.progress import Reporter
from topfive.training.finetuning.training import train
from topfive.training.retraining.comparing import compare_with, format_comparison, summarise
from topfive.training.retraining.planning import Retraining


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it is trained: `device` and `workers` as a TrainingPlan has them."""

    device: str = "auto"
    workers: int | None = None


def retrain(
    retraining: Retraining, machine: Machine, reporter: Reporter, *, restarts: bool = False
) -> Path:
    """Train on, compare and write the new version; returns its folder.

    Raises as `training.train`, and EngineRefused if the baseline cannot run here.
    """

    def examine(_: Classifier, answers: Answers) -> Findings:
        return _compare(retraining, answers, reporter)

    plan = TrainingPlan(
        dataset=retraining.dataset,
        split=retraining.split,
        base=base_of_bundle(retraining.parent),
        name=retraining.name,
        version=retraining.version,
        models_dir=retraining.models_dir,
        recipe=retraining.recipe,
        device=machine.device,
        workers=machine.workers,
        samples=_read_samples(retraining.parent),
        examine=examine,
        restarts=restarts,
    )
    return train(plan, reporter)


def _compare(retraining: Retraining, answers: Answers, reporter: Reporter) -> Findings:
    comparable, baseline = retraining.comparable, retraining.baseline
    reporter.begin("Measuring the version before", len(comparable.photos))
    comparison = compare_with(baseline, comparable, answers, lambda _: reporter.advance())
    return Findings(
        documents={COMPARISON_FILE: format_comparison(comparison, comparable, baseline)},
        comparison=summarise(comparison, comparable, baseline),
    )


def _read_samples(parent: Bundle) -> dict[str, Image.Image]:
    """Read the pictures to try the model with, which every version keeps."""
    names = sorted(
        name
        for name in parent.manifest.files
        if name.startswith("sample-") and name.endswith(".png")
    )
    return {
        name.removeprefix("sample-").removesuffix(".png"): _read(parent.folder / name)
        for name in names
    }


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
