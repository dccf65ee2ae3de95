"""From a trained network to a bundle: calibrated, written, then measured as it will serve."""

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.special import softmax

from topfive import __version__
from topfive.bundles.manifest import (
    EVALUATION_FILE,
    SPLIT_FILE,
    CalibrationSection,
    TrainingSection,
)
from topfive.bundles.store import open_bundle
from topfive.classify.loading import load_classifier
from topfive.datasets.split import format_split
from topfive.engines.contract import EngineOptions
from topfive.evaluation.answers import classify_photos
from topfive.evaluation.calibration import expected_calibration_error, fit_temperature
from topfive.evaluation.metrics import measure
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import preprocess
from topfive.machine.probe import probe_machine
from topfive.training.checkpoints import StateDict
from topfive.training.export import BundlePlan, Findings, write_bundle
from topfive.training.finetuning.networks import divide_last_layer
from topfive.training.finetuning.plan import TrainingPlan
from topfive.training.finetuning.progress import Reporter
from topfive.training.finetuning.scoring import Scored
from topfive.training.golden import draw_golden_picture
from topfive.training.weights import convert_to_half

_LIBRARIES = ("torch", "torchvision")


def calibrate(network: torch.nn.Module, validation: Scored, held_out: Scored) -> CalibrationSection:
    """Divide a network's logits so that its confidences mean something; returns by what.

    It is fitted on photos for validation and measured on those held out.
    """
    temperature = fit_temperature(validation.logits, validation.truths)
    divide_last_layer(network, temperature)
    return CalibrationSection(
        temperature=round(temperature, 6),
        error_before=_calibration_error(held_out, 1.0),
        error_after=_calibration_error(held_out, temperature),
        photos=len(held_out.truths),
    )


def _calibration_error(scored: Scored, temperature: float) -> float:
    probabilities = softmax(scored.logits / temperature, axis=1).astype(np.float32)
    return round(expected_calibration_error(probabilities, scored.truths), 6)


def round_to_half(network: torch.nn.Module) -> None:
    """Round all weights to what 16 bits hold, so that what is measured is what is stored."""
    network.load_state_dict(convert_to_half(network.state_dict()))


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training: tensors on the CPU, and how they were calibrated."""

    state_dict: StateDict
    calibration: CalibrationSection | None


def write_trained(plan: TrainingPlan, trained: Trained, reporter: Reporter) -> Path:
    """Write a bundle, and measure it on the held-out photos by the pipeline that serves.

    Returns its folder. Nothing is left of it where no engine agrees with the reference, as a
    Mistake then says.
    """

    def examine(folder: Path) -> Findings:
        return _examine(plan, folder, reporter)

    return write_bundle(
        _bundle_plan(plan, trained), trained.state_dict, plan.models_dir, examine=examine
    )


def _bundle_plan(plan: TrainingPlan, trained: Trained) -> BundlePlan:
    split = format_split(plan.split, plan.dataset.classes)
    return BundlePlan(
        name=plan.name,
        version=plan.version,
        architecture=plan.base.architecture,
        architecture_options=plan.base.options,
        input=plan.input,
        labels=plan.dataset.classes,
        source=f"trained from {plan.base.title}",
        golden=_golden_picture(plan),
        is_half=plan.recipe.half,
        extra_files={f"sample-{name}.png": one for name, one in plan.samples.items()},
        documents={SPLIT_FILE: split},
        training=_training_section(plan),
        calibration=trained.calibration,
    )


def _golden_picture(plan: TrainingPlan) -> Image.Image:
    sample = next(iter(plan.samples.values()), None)
    if sample is None:
        return draw_golden_picture(plan.input.crop)
    return Image.fromarray(preprocess(sample, plan.input)[0])


def _training_section(plan: TrainingPlan) -> TrainingSection:
    return TrainingSection(
        base=plan.base.title,
        recipe=plan.recipe.model_dump(mode="json"),
        data_sha256=plan.dataset.sha256,
        photos=plan.split.counts,
        parent=plan.base.parent,
        made_with={"topfive": __version__, **{name: version(name) for name in _LIBRARIES}},
    )


def _examine(plan: TrainingPlan, folder: Path, reporter: Reporter) -> Findings:
    """Measure a bundle that is not in its place yet."""
    held_out = plan.split.held_out
    flags = probe_machine().cpu_flags
    classifier = load_classifier(open_bundle(folder), EngineOptions(), ImageLimits(), flags)
    try:
        reporter.begin("Measuring on held-out photos", len(held_out))
        answers = classify_photos(classifier, held_out, lambda _: reporter.advance())
        metrics = measure(answers, plan.dataset.classes)
        further = plan.examine(classifier, answers)
    finally:
        classifier.close()
    evaluation = json.dumps(metrics.to_document(), indent=2) + "\n"
    return replace(
        further,
        metrics={**metrics.summary(), **further.metrics},
        documents={EVALUATION_FILE: evaluation, **further.documents},
    )
