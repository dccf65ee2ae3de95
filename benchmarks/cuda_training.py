"""Try training on a CUDA device, and measure it: precision, loading, memory, the golden check.

python benchmarks/cuda_training.py --out cuda.md [--weights mobilenet_v2.pth] [--device cpu --quick]

The photos are drawn on the spot. It ends with exit code 1 if something is not as it should be.
"""

import argparse
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from topfive.bundles.manifest import Manifest
from topfive.bundles.store import open_bundle
from topfive.classify.loading import load_classifier
from topfive.datasets.reading import read_dataset
from topfive.engines import EngineOptions
from topfive.images.limits import ImageLimits
from topfive.training.finetuning import training
from topfive.training.finetuning.bases import Base, open_base
from topfive.training.finetuning.plan import TrainingPlan, split_photos
from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe

WIDTH, HEIGHT = 500, 375
SHAPES = ("disc", "square", "stripes", "rings")
COLOURS = {"warm": (200, 110, 60), "cold": (60, 110, 200)}
# Of the device's memory: as much as a small card has, so that a batch of 512 does not fit.
SMALL_SHARE = 0.08

Row = tuple[str, str]


class Clock:
    """Is told of a training's phases, and notes how long each takes and what is said."""

    def __init__(self, stop_at: str = "-") -> None:
        self.phases: list[tuple[str, int, float]] = []
        self.sentences: list[str] = []
        self._stop_at = stop_at

    def begin(self, what: str, steps: int) -> None:
        """Note when something begins."""
        self.phases.append((what, steps, time.perf_counter()))

    def advance(self, steps: int = 1) -> None:
        """Note nothing."""

    def tell(self, sentence: str) -> None:
        """Note what is said; stop where that is asked for."""
        self.sentences.append(sentence)
        if sentence.startswith(self._stop_at):
            raise KeyboardInterrupt

    def steps(self) -> dict[str, int]:
        """Tell how many steps each phase was to have."""
        return {what: steps for what, steps, _ in self.phases}

    def seconds(self) -> dict[str, float]:
        """Tell how long each phase took; the last one ends now."""
        ends = [began_s for _, _, began_s in self.phases[1:]] + [time.perf_counter()]
        return {
            what: end_s - began_s
            for (what, _, began_s), end_s in zip(self.phases, ends, strict=True)
        }


def draw(path: Path, shape: str, colour: tuple[int, int, int], seed: int) -> None:
    """Write a JPEG of a shape in a colour on noise, of any size and place."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    side = random.uniform(60, 150)
    x, y = across - random.uniform(150, 350), down - random.uniform(120, 260)
    radius = np.hypot(x, y)
    inside = {
        "disc": radius < side,
        "square": np.maximum(abs(x), abs(y)) < side,
        "stripes": (np.maximum(abs(x), abs(y)) < side) & (np.sin(y / 6) > 0),
        "rings": (radius < side) & (np.sin(radius / 5) > 0),
    }[shape]
    pixels = random.normal(128, 40, (HEIGHT, WIDTH, 3))
    pixels[inside] = np.array(colour) + random.normal(0, 30, (int(inside.sum()), 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=85)


def draw_photos(root: Path, each: int) -> Path:
    """Write so many photos of each of eight classes."""
    jobs = []
    for kind, (name, colour) in enumerate(COLOURS.items()):
        for place, shape in enumerate(SHAPES):
            folder = root / f"{name} {shape}"
            folder.mkdir(parents=True)
            first = (kind * len(SHAPES) + place) * 100_000
            jobs += [(folder / f"{n}.jpg", shape, colour, first + n) for n in range(each)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(draw, *zip(*jobs, strict=True), chunksize=16))
    return root


class Trial:
    """The photos, the base and the device that all trials share."""

    def __init__(self, device: str, folder: Path, weights: str, *, is_quick: bool) -> None:
        self.device = device
        self.is_quick = is_quick
        self.folder = folder
        self.recipe = self._recipe(bool(weights))
        self.base: Base = open_base("mobilenet_v2", folder / "models", self.recipe, weights)
        self.photos = draw_photos(folder / "photos", 12 if is_quick else 150)
        self.dataset = read_dataset(self.photos)

    def train(self, name: str, clock: Clock, **changes: Any) -> Path:
        """Train a model of that name; `changes` are of the plan, and in `recipe` of the recipe."""
        recipe = self.recipe.model_copy(update=changes.pop("recipe", {}))
        plan = TrainingPlan(
            dataset=self.dataset, split=split_photos(self.dataset, recipe, self.base),
            base=self.base, name=name, version="1.0.0", models_dir=self.folder / "models",
            recipe=recipe, **{"device": self.device, **changes},
        )  # fmt: skip
        return training.train(plan, clock)

    def _recipe(self, has_weights: bool) -> TrainingRecipe:
        values: dict[str, object] = {"epochs": 6, "patience": 0, "batch_size": 64}
        if self.is_quick:
            values |= {"epochs": 1, "head_epochs": 3}
        if not has_weights:
            rates = {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 1e-4}
            values |= {"pretrained": False, **rates}
        return parse_recipe(values, "the benchmark's recipe")


def manifest_of(folder: Path) -> Manifest:
    """Read what a bundle says of itself, its files checked."""
    return open_bundle(folder).manifest


def try_whole(trial: Trial) -> list[Row]:
    """Train with all defaults; the golden check has held, and most held-out photos are right."""
    clock = Clock()
    _reset_memory()
    began_s = time.perf_counter()
    folder = trial.train("whole", clock)
    whole_s = time.perf_counter() - began_s
    manifest, seconds = manifest_of(folder), clock.seconds()
    top1 = manifest.metrics["held_out_top1"]
    if not trial.is_quick and top1 < 0.9:
        raise AssertionError(f"top-1 is {top1}")
    shown = clock.steps()["Training all layers"]
    calibration = manifest.calibration
    return [
        ("photos", str(manifest.training.photos if manifest.training else {})),
        ("from photos to a bundle", f"{whole_s:.1f} s"),
        *((f"- {what}", f"{spent:.1f} s") for what, spent in seconds.items()),
        ("shown a second, all layers", f"{shown / seconds['Training all layers']:.0f}"),
        ("held-out top-1", f"{top1:.4f}"),
        ("calibration error", f"{calibration.error_before:.4f} to {calibration.error_after:.4f}"
         if calibration else "none"),
        ("most GPU memory", _most_memory()),
    ]  # fmt: skip


def try_engines(trial: Trial) -> list[Row]:
    """Load the bundle in torch's engine on the device, which answers as the reference does."""
    rows = []
    for precision in ("f32", "bf16"):
        options = EngineOptions("torch", precision)
        bundle = open_bundle(trial.folder / "models" / "whole" / "1.0.0")
        classifier = load_classifier(bundle, options, ImageLimits(), frozenset())
        rows.append((f"golden check, {precision}", f"agrees on {classifier.engine.device}"))
        if classifier.engine.device != trial.device:
            raise AssertionError(f"it runs on {classifier.engine.device}")
        classifier.close()
    return rows


def try_loading(trial: Trial) -> list[Row]:
    """Train two epochs with no processes beside, and with several."""
    rows = []
    for workers in (0, 4):
        clock = Clock()
        trial.train(f"workers-{workers}", clock, workers=workers,
                    recipe={"epochs": 2, "head_epochs": 1})  # fmt: skip
        shown = clock.steps()["Training all layers"]
        rate = shown / clock.seconds()["Training all layers"]
        rows.append((f"shown a second, {workers} processes beside", f"{rate:.0f}"))
    return rows


def try_half_precision(trial: Trial) -> list[Row]:
    """Train an epoch in f16 with scaled gradients, as GPUs without bf16 do."""
    chosen = training.mixed_dtype
    training.mixed_dtype = lambda _: torch.float16  # type: ignore[assignment]
    try:
        clock = Clock()
        trial.train("half", clock, recipe={"epochs": 2, "head_epochs": 5})
    finally:
        training.mixed_dtype = chosen
    return [("f16 with scaled gradients", clock.sentences[-1])]


def try_no_memory(trial: Trial) -> list[Row]:
    """Give the training too little memory for its batch: it goes on with half, and says so."""
    clock = Clock()
    with _small_memory():
        trial.train("small", clock, recipe={"epochs": 1, "head_epochs": 1, "batch_size": 512})
    notes = [one for one in clock.sentences if one.startswith("Note: there is no memory")]
    if not notes:
        raise AssertionError("the memory did suffice")
    return [("a batch of 512 without the memory for it", " ".join(notes))]


def try_going_on(trial: Trial) -> list[Row]:
    """Stop a training after two epochs; the same plan goes on from there."""
    with suppress(KeyboardInterrupt):
        trial.train("stopped", Clock(stop_at="Epoch 2"), recipe={"epochs": 3, "head_epochs": 5})
    clock = Clock()
    trial.train("stopped", clock, recipe={"epochs": 3, "head_epochs": 5})
    if not clock.sentences[0].startswith("Going on after epoch 1"):
        raise AssertionError(clock.sentences)
    return [("a training that was stopped", clock.sentences[0])]


@contextmanager
def _small_memory() -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(SMALL_SHARE)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _reset_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _most_memory() -> str:
    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"


def run(trials: list[Callable[[Trial], list[Row]]], trial: Trial) -> tuple[list[Row], int]:
    """Run all trials; what fails is a row of its own."""
    rows: list[Row] = []
    failed = 0
    for one in trials:
        began_s = time.perf_counter()
        try:
            rows += one(trial)
        except Exception as error:  # noqa: BLE001 - the others are to be seen too
            failed += 1
            rows.append((f"FAILED: {one.__name__}", f"{type(error).__name__}: {error}"[:500]))
        print(f"{one.__name__}: {time.perf_counter() - began_s:.1f} s", file=sys.stderr)
    return rows, failed


def describe_machine() -> list[Row]:
    """Name the GPU and the versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [
        ("GPU", gpu),
        ("torch", f"{torch.__version__}, CUDA {torch.version.cuda}"),
        ("Python", platform.python_version()),
    ]


def main() -> None:
    """Run what the device allows, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("cuda-training.md"))
    parser.add_argument("--weights", default="", help="a state dict of MobileNetV2; else untrained")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--quick", action="store_true", help="few photos, one epoch")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
    trials = [try_whole, try_engines, try_going_on]
    if given.device == "cuda":
        trials += [try_half_precision, try_no_memory, try_loading]
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(given.device, Path(folder), given.weights, is_quick=given.quick)
        rows, failed = run(trials, trial)
    lines = [f"| {what} | {found} |" for what, found in [*describe_machine(), *rows]]
    given.out.write_text("\n".join(["| what | found |", "|---|---|", *lines]) + "\n", "utf-8")
    print(given.out.read_text("utf-8"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
