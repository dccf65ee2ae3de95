"""A whole training, from photos to a bundle in its place."""

from contextlib import closing
from pathlib import Path

import torch
from safetensors import SafetensorError

from topfive.bundles.disk import is_disk_full
from topfive.bundles.manifest import CalibrationSection
from topfive.errors import DatasetRefused, TrainingStopped
from topfive.training.finetuning.augmentation import Augmenter
from topfive.training.finetuning.compute import (
    Compute,
    choose_device,
    default_threads,
    default_workers,
    keep_freed_memory,
    mixed_dtype,
)
from topfive.training.finetuning.fine_tuning import Best, FineTuning, fine_tune, measure_span
from topfive.training.finetuning.head import Features, gather_features, train_head
from topfive.training.finetuning.kept_state import KeptState, keep_state
from topfive.training.finetuning.networks import build_network, plain_state
from topfive.training.finetuning.photos import Loader, Photos
from topfive.training.finetuning.plan import TrainingPlan
from topfive.training.finetuning.progress import Reporter, Silent
from topfive.training.finetuning.scoring import score_photos
from topfive.training.finetuning.writing import (
    Trained,
    calibrate,
    round_to_half,
    write_trained,
)

_HEAD_STATE = "head"
_FEATURES_STATE = "features"


def train(plan: TrainingPlan, reporter: Reporter | None = None) -> Path:
    """Train, measure and write a bundle; returns its folder.

    A training that was stopped goes on where it was, if it is given the same plan again. Raises
    TrainingStopped if it cannot go on here, DatasetRefused if a photo cannot be used any more or a
    part has none, EngineRefused if the device is not there.
    """
    _require_photos(plan)
    try:
        with keep_state(plan.models_dir, plan.name, plan.digest) as kept:
            if plan.restarts:
                kept.clear()
            told = reporter or Silent()
            with closing(_Training(plan, told, kept)) as training:
                trained = training.run()
            folder = write_trained(plan, trained, told)
            kept.remove()
            return folder
    except (OSError, SafetensorError) as error:
        raise _stopped(plan, error) from error


class _Training:
    """One training, phase by phase."""

    def __init__(self, plan: TrainingPlan, reporter: Reporter, kept: KeptState) -> None:
        device = choose_device(plan.device)
        workers = default_workers(device) if plan.workers is None else plan.workers
        keep_freed_memory()
        torch.set_num_threads(plan.recipe.threads or default_threads())
        self._reporter = reporter
        self._plan = plan
        self._kept = kept
        recipe = plan.recipe
        self._compute = Compute(
            device, mixed_dtype(device), plan.input, recipe.batch_size, reporter
        )
        self._network = build_network(plan.base, plan.dataset.classes, recipe).to(device)
        varied = Photos(
            plan.split.train, plan.input, Augmenter(recipe.augmentation, plan.input), recipe.seed
        )
        self._varied = Loader(varied, recipe.batch_size, workers, persists=True)
        self._validation = Loader(
            Photos(plan.split.validation, plan.input), recipe.batch_size, workers, persists=True
        )
        self._train, self._held_out = (
            Loader(Photos(part, plan.input), recipe.batch_size, workers)
            for part in (plan.split.train, plan.split.held_out)
        )

    def close(self) -> None:
        """Stop the processes that load photos."""
        for loader in (self._varied, self._validation, self._train, self._held_out):
            loader.close()

    def run(self) -> Trained:
        """Train the last layer, then all of them; take what is best by validation."""
        best = self._train_head() if self._plan.recipe.has_head_phase else Best()
        best = self._fine_tune(best)
        self._network.load_state_dict(best.state_dict)
        return self._finish()

    def _train_head(self) -> Best:
        state = self._kept.read(_HEAD_STATE)
        if state is not None:
            with self._kept.in_use():
                return Best.of_state(state)
        recipe = self._plan.recipe
        learned, validation = self._features()
        self._reporter.begin("Training the last layer", recipe.head_epochs)
        score = train_head(self._network, learned, validation, recipe, self._compute)
        self._reporter.tell(f"Last layer: {score}")
        best = Best(plain_state(self._network), score)
        self._kept.write(_HEAD_STATE, best.state())
        return best

    def _features(self) -> tuple[Features, Features]:
        """Have the frozen network look at each photo once; kept for a training that goes on."""
        state = self._kept.read(_FEATURES_STATE)
        if state is not None:
            with self._kept.in_use():
                return Features(*state["learned"]), Features(*state["validation"])
        photos = len(self._plan.split.train) + len(self._plan.split.validation)
        self._reporter.begin("Looking at each photo", photos)
        learned, validation = (
            gather_features(self._network, loader, self._compute, mirrors=mirrors)
            for loader, mirrors in (
                (self._train, self._plan.recipe.augmentation.flip),
                (self._validation, False),
            )
        )
        self._kept.write(_FEATURES_STATE, {"learned": [*learned], "validation": [*validation]})
        return learned, validation

    def _fine_tune(self, best: Best) -> Best:
        recipe = self._plan.recipe
        if recipe.epochs == 0:
            return best
        if best.state_dict:
            self._network.load_state_dict(best.state_dict)
        span = measure_span(recipe, len(self._plan.split.train), self._compute.device)
        tuning = FineTuning(self._network, recipe, span, self._compute)
        return fine_tune(tuning, self._varied, self._validation, best, self._kept)

    def _finish(self) -> Trained:
        """Round and calibrate the network that is kept."""
        recipe = self._plan.recipe
        if recipe.half:
            round_to_half(self._network)
        calibration = self._calibrate() if recipe.calibrate else None
        if recipe.half:
            round_to_half(self._network)
        return Trained(plain_state(self._network), calibration)

    def _calibrate(self) -> CalibrationSection:
        photos = len(self._plan.split.validation) + len(self._plan.split.held_out)
        self._reporter.begin("Calibrating", photos)
        validation, held_out = (
            score_photos(self._network, loader, self._compute)
            for loader in (self._validation, self._held_out)
        )
        return calibrate(self._network, validation, held_out)


def _require_photos(plan: TrainingPlan) -> None:
    for part, count in plan.split.counts.items():
        if count == 0:
            raise DatasetRefused(
                f"No photo is for {part}: a training needs some to learn from, some to choose by "
                "(validation) and some to measure on (held_out)."
            )


def _stopped(plan: TrainingPlan, error: OSError | SafetensorError) -> TrainingStopped:
    is_full = isinstance(error, OSError) and is_disk_full(error)
    why = "the disk is full" if is_full else str(getattr(error, "strerror", None) or error)[:200]
    return TrainingStopped(
        f"The training of {plan.name} cannot be written to {plan.models_dir}: {why}. What it has "
        "learned up to its last epoch is kept there where it could be written. Free some space, "
        "and give the same command again: it goes on from there."
    )
