"""Measure training: how good, how calibrated, how long, how much memory, command by command.

python benchmarks/training.py --weights FILE.pth --photos FOLDER

On the digits of `make digits`, and on photos of ImageNet's classes in six coarse ones. With --part
only some of it is measured.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from coarse_classes import write_coarse_table
from report import describe_machine, describe_versions
from server import clean_environment
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, REPOSITORY

SEEDS = (0, 1, 2)
PACKAGES = ("topfive", "torch", "torchvision", "openvino", "nncf", "numpy")
# Of 100 photos, 30 to measure on.
COARSE_RECIPE = "held_out_share = 0.3\n"
MEASURES_NOTE = (
    "Seconds are of the clock, CPU seconds of all threads, MB the largest resident size of one "
    "process. Each command runs in a process of its own, which imports torch where it needs it."
)
CALIBRATION_NOTE = (
    "Calibration error: the expected one of 15 bins, on held-out photos; before and after the "
    "division by the temperature, which is fitted on the validation photos."
)
PHOTOS_NOTE = (
    "The photos are of ImageNet's kind, and their base was trained on ImageNet's: it knows such "
    "pictures, if not these classes. With 30 held-out photos a run is right to within 15 points; "
    "each seed splits the photos otherwise."
)
NOTES = (MEASURES_NOTE, CALIBRATION_NOTE, PHOTOS_NOTE)


@dataclass(frozen=True, slots=True)
class Run:
    """One command that has ended: what it took and what it printed."""

    name: str
    wall_s: float
    cpu_s: float
    memory_mb: float
    output: str

    @property
    def found(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.output)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where everything is made: a folder with a models directory in it."""

    folder: Path
    weights: Path
    photos: Path

    def run(self, name: str, *arguments: str | Path) -> Run:
        """Run a topfive command in the folder; ends the program if it fails."""
        return measure(name, [sys.executable, "-m", "topfive", *map(str, arguments)], self.folder)


def measure(name: str, command: Sequence[str], folder: Path) -> Run:
    """Run a command, and measure it."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    started = perf_counter()
    with (folder / "output.txt").open("w+b") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment({"TOPFIVE_MODELS_DIR": str(folder / "models")}),
            stdout=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"`{' '.join(command)}` ended with {process.returncode}")
    return Run(
        name=name,
        wall_s=perf_counter() - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_mb=usage.ru_maxrss / 1024,
        output=(folder / "output.txt").read_text("utf-8"),
    )


def train_digits(shop: Workshop) -> Iterator[str]:
    """Train the digits as `make digits` does, under another name."""
    digits = shop.folder / "digits"
    drawn = measure(
        "draw the digits",
        [sys.executable, str(REPOSITORY / "docs" / "draw_digits.py"), str(digits)],
        shop.folder,
    )
    trained = shop.run(
        "topfive train, digits", "train", digits / "labels.csv", "--base", "mobilenet_v2",
        "--recipe", REPOSITORY / "docs" / "digits.toml", "--name", "digits-again", "--json",
    )  # fmt: skip
    yield from table_of_models([trained])
    yield from table_of_runs([drawn, trained])


def train_photos(shop: Workshop) -> Iterator[str]:
    """Train on the coarse classes, once for each seed."""
    table, recipe = shop.folder / "coarse.csv", shop.folder / "coarse.toml"
    write_coarse_table(shop.photos, table)
    recipe.write_text(COARSE_RECIPE, "utf-8")
    given = ["train", table, "--base", "mobilenet_v2", "--weights", shop.weights]
    given += ["--recipe", recipe, "--json"]

    def train(name: str, seed: int, *further: str) -> Run:
        words = [*given, "--name", f"{name}-{seed}", "--seed", str(seed), *further]
        return shop.run(f"topfive train, {name}, seed {seed}", *words)

    head = [train("last-layer", seed, "--epochs", "0") for seed in SEEDS]
    whole = [train("all-layers", seed) for seed in SEEDS]
    yield from table_of_models([*head, *whole])
    for name, runs in (("last layer alone", head), ("all layers", whole)):
        top1 = mean(run.found["metrics"]["held_out_top1"] for run in runs)
        before, after = (
            mean(run.found["calibration"][which] for run in runs)
            for which in ("error_before", "error_after")
        )
        yield (
            f"Mean of the seeds, {name}: top-1 {top1:.3f}, calibration error {before:.3f} before "
            f"and {after:.3f} after."
        )
    yield ""
    yield from table_of_runs([*head, *whole])


def other_commands(shop: Workshop) -> Iterator[str]:
    """Run every command that makes or measures a model once, on MobileNetV2 and the photos."""
    labels, table = shop.photos / "labels.csv", shop.folder / "coarse.csv"
    write_coarse_table(shop.photos, table)
    pulled = ("--weights", shop.weights, "--name", "whole", "--version", "1.0.0")
    trained = ("--base", "mobilenet_v2", "--weights", shop.weights, "--name", "coarse")
    onnx = write_onnx(shop)
    made = shop.folder / "models" / "whole" / "1.0.0"
    runs = [
        shop.run("topfive pull", "pull", "mobilenet_v2", *pulled),
        shop.run("topfive evaluate, 100 photos", "evaluate", "whole", labels, "--json"),
        shop.run("topfive evaluate --report", "evaluate", "whole", labels, "--report", "r.html"),
        shop.run("topfive train, 6 classes", "train", table, *trained),
        shop.run("topfive retrain", "retrain", "--from", "coarse@1.0.0", table),
        shop.run("topfive evaluate --against", "evaluate", "coarse@1.1.0", table,
                 "--against", "coarse@1.0.0"),
        shop.run("topfive quantize", "quantize", "whole", "--calibrate", labels,
                 "--most-drop", "100"),
        shop.run("topfive import, ONNX", "import", onnx, "--name", "imported",
                 "--labels", made / "labels.txt", "--resize", "256", "--crop", "224"),
    ]  # fmt: skip
    yield from table_of_runs(runs)


def write_onnx(shop: Workshop) -> Path:
    """Write MobileNetV2 of random weights as ONNX."""
    path = shop.folder / "mobilenet_v2.onnx"
    program = (
        "import sys, torch; from topfive.engines.torchvision_models import build_module;"
        "torch.onnx.export(build_module('mobilenet_v2', {}, 1000).eval(),"
        " (torch.zeros(1, 3, 224, 224),), sys.argv[1], dynamo=False)"
    )
    measure("write ONNX", [sys.executable, "-W", "ignore", "-c", program, str(path)], shop.folder)
    return path


def table_of_models(runs: Sequence[Run]) -> Iterator[str]:
    """Say how good each model is that was trained."""
    yield ("| | held-out photos | top-1 | top-5 | calibration error before | after | temperature |")
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for run in runs:
        metrics, calibration = run.found["metrics"], run.found["calibration"]
        yield (
            f"| {run.name} | {metrics['held_out_count']:.0f} | {metrics['held_out_top1']:.4f} | "
            f"{metrics['held_out_top5']:.4f} | {calibration['error_before']:.4f} | "
            f"{calibration['error_after']:.4f} | {calibration['temperature']:.3f} |"
        )
    yield ""


def table_of_runs(runs: Sequence[Run]) -> Iterator[str]:
    """Say what each command took."""
    yield "| command | seconds | CPU seconds | MB |"
    yield "|---|---:|---:|---:|"
    for run in runs:
        yield f"| {run.name} | {run.wall_s:.1f} | {run.cpu_s:.1f} | {run.memory_mb:.0f} |"
    yield ""


PARTS: dict[str, Callable[[Workshop], Iterator[str]]] = {
    "Digits": train_digits,
    "Photos in six coarse classes": train_photos,
    "Each command": other_commands,
}


def main() -> None:
    """Read the options, measure and write the report."""
    now = datetime.now(UTC)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="[default: all]")
    default = REPOSITORY / "benchmarks" / "results" / f"{now:%Y-%m-%d}-training.md"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    facts = {"date": f"{now:%Y-%m-%d}", "command": "`python benchmarks/training.py`"}
    facts |= describe_machine() | describe_versions(Path(sys.executable), PACKAGES)
    lines = ["# Training", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    with TemporaryDirectory() as name:
        shop = Workshop(Path(name), options.weights.resolve(), options.photos)
        for part in options.part or PARTS:
            lines += [f"## {part}", "", *PARTS[part](shop)]
    lines += [f"- {note}" for note in NOTES]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
