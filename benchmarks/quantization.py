"""Measure what int8 costs and gives: accuracy, time, size, and pictures a second of the server.

python benchmarks/quantization.py --weights FILE --photos DIR [--part accuracy|speed|server]

Accuracy: MobileNetV2 is quantized three times, each time on two thirds of the photos and measured
on the others, so that every photo measures once and none on which was calibrated. Speed: the same
graphs in turn in one run, and the load of a bundle. Server: one for each precision, asked in turn.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from closed_loop import ClosedLoop, LoopLimits
from heatmap import write_resnet
from process_tree import read_tree, total_cpu_ms
from report import describe_machine
from server import Server, ServerPlan, clean_environment, serving
from topfive.bundles.store import Bundle, open_bundle
from topfive.classify.loading import load_classifier
from topfive.classify.speed import measure_ms
from topfive.datasets.dataset import Dataset
from topfive.datasets.reading import read_dataset
from topfive.engines import EngineOptions
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.registry.desired import ModelOptions
from topfive.training.pull import pull_bundle
from topfive.training.quantization.quantization import QuantizationPlan, Quantized, quantize_bundle
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, ask_json, build_request, list_photos

LIMITS = ImageLimits()
FLAGS = probe_machine().cpu_flags
PRECISIONS = ("f32", "bf16", "int8")
FOLDS = 3
CLIENTS = 10
WARMUP_S = 3.0
MB = 1_000_000
SCRIPT = Path(sys.executable).with_name("topfive")


def quantize(bundle: Bundle, dataset: Dataset, version: str, models: Path) -> Quantized:
    """Quantize a bundle whatever it costs in accuracy."""
    return quantize_bundle(QuantizationPlan(bundle, version, dataset, models, 300, 100.0), FLAGS)


def fold(dataset: Dataset, number: int) -> Dataset:
    """Hold every third photo out, beginning with that number; the others calibrate."""
    photos = tuple(
        replace(one, part="held_out" if place % FOLDS == number else "train")
        for place, one in enumerate(sorted(dataset.photos, key=lambda photo: photo.sha256))
    )
    return Dataset(dataset.classes, photos)


def measure_accuracy(bundle: Bundle, dataset: Dataset, models: Path) -> None:
    """Print the accuracy of each precision over all photos, three quantizations put together."""
    made = [
        quantize(bundle, fold(dataset, number), f"fold-{number}", models) for number in range(FOLDS)
    ]
    counts = [one.manifest.int8.held_out_photos for one in made if one.manifest.int8]
    print("\n| MobileNetV2 | top-1 | top-5 | MB |\n|---|---|---|---|")
    for precision in made[0].measurement.table:
        rows = [one.measurement.table[precision] for one in made]
        top1, top5 = (
            sum(row[name] * count for row, count in zip(rows, counts, strict=True)) / sum(counts)
            for name in ("top1", "top5")
        )
        size_mb = rows[0]["graph_bytes"] / MB
        print(f"| {precision} | {top1:.3f} | {top5:.3f} | {size_mb:.1f} |")
    same = [one.measurement.table["int8"]["same_answer_as_f32"] for one in made]
    print(f"\nThe same best class in int8 as in f32: {statistics.mean(same):.3f}")


def measure_command(bundle: Bundle, photos: Path, models: Path) -> None:
    """Print how long the command takes, and how much memory."""
    began_s = time.perf_counter()
    command = [SCRIPT, "quantize", bundle.folder, "--calibrate", photos / "labels.csv",
               "--version", "command", "--most-drop", "100", "--models-dir", models]  # fmt: skip
    subprocess.run(command, cwd=models, env=clean_environment({}), check=True, capture_output=True)
    seconds = time.perf_counter() - began_s
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MB
    print(f"\n`topfive quantize` took {seconds:.1f} s and {peak_mb:.0f} MB at most.")


def measure_speed(quantized: Quantized, name: str) -> None:
    """Print the time of one inference in each precision, in turn, and of the load of a bundle."""
    bundle = open_bundle(quantized.folder)
    loaded = [
        load_classifier(bundle, EngineOptions("openvino", one), LIMITS, FLAGS) for one in PRECISIONS
    ]
    names = [one.engine.precision for one in loaded]
    times_ms = [measure_ms([one.engine for one in loaded], loaded[0].side) for _ in range(5)]
    print(f"\n| {name} | best ms an inference | MB |\n|---|---|---|")
    for place, precision in enumerate(names):
        size_mb = quantized.measurement.table[precision]["graph_bytes"] / MB
        best_ms = statistics.median(row[place] for row in times_ms)
        print(f"| {precision} | {best_ms:.2f} | {size_mb:.1f} |")
    for one in loaded:
        one.close()
    measure_load(bundle, name)


def measure_load(bundle: Bundle, name: str) -> None:
    """Print how long loading takes, with the choice between int8 and the next, and without."""
    times_s: dict[str, list[float]] = {"auto": [], **{one: [] for one in PRECISIONS}}
    chosen = ""
    for _ in range(5):
        for precision, some in times_s.items():
            began_s = time.perf_counter()
            loaded = load_classifier(bundle, EngineOptions("openvino", precision), LIMITS, FLAGS)
            some.append(time.perf_counter() - began_s)
            chosen = loaded.engine.precision if precision == "auto" else chosen
            loaded.close()
    cells = ", ".join(f"{one} {statistics.median(some):.2f} s" for one, some in times_s.items())
    print(f"\nLoading {name}: {cells}. `auto` chose {chosen}.")


@contextmanager
def servers(bundle: Bundle, folder: Path) -> Iterator[Mapping[str, Server]]:
    """Run a server for each precision."""
    with ExitStack() as opened:
        running = {}
        for precision in PRECISIONS:
            (folder / precision).mkdir()
            settings = {
                "TOPFIVE_HOST": "127.0.0.1",
                "TOPFIVE_PORT": "0",
                "TOPFIVE_RATE_LIMIT": "",
                "TOPFIVE_MODEL": str(bundle.folder),
                "TOPFIVE_PRECISION": precision,
            }
            server = opened.enter_context(serving(ServerPlan(SCRIPT, settings, folder / precision)))
            server.wait_until(lambda address: bool(ask_json(address, "/health")["model_loaded"]))
            running[ask_json(server.address, "/info")["model"]["precision"]] = server
        yield running


def measure_servers(bundle: Bundle, photos: list[Path], folder: Path, seconds: float) -> None:
    """Print pictures a second, latency and CPU time a picture, the servers asked in turn."""
    rates: dict[str, list[float]] = {}
    cpu_ms: dict[str, list[float]] = {}
    latencies_ms: dict[str, list[float]] = {}
    with servers(bundle, folder) as running:
        for number in range(6):
            for precision, server in running.items():
                requests = [build_request(one, server.address) for one in photos]
                limits = LoopLimits(CLIENTS, 10**6, seconds if number else WARMUP_S)
                before_ms = total_cpu_ms(read_tree(server.process.pid))
                result = ClosedLoop(server.address, requests, limits).run()
                used_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
                if result.errors:
                    sys.exit(f"{precision}: {dict(result.errors)}")
                if number:
                    rates.setdefault(precision, []).append(result.throughput_per_s)
                    cpu_ms.setdefault(precision, []).append(used_ms / len(result.latencies_ms))
                    latencies_ms.setdefault(precision, []).extend(result.latencies_ms)
    print(f"\n| server, {CLIENTS} clients | pictures/s | median ms | CPU ms a picture |")
    print("|---|---|---|---|")
    for precision, some in rates.items():
        rate, cpu = statistics.median(some), statistics.median(cpu_ms[precision])
        print(f"| {precision} | {rate:.0f} | {statistics.median(latencies_ms[precision]):.1f} "
              f"| {cpu:.2f} |")  # fmt: skip


def main() -> None:
    """Make bundles, and measure one thing after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load")
    parser.add_argument("--part", choices=("accuracy", "speed", "server", "all"), default="all")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
    for name, text in describe_machine().items():
        print(f"- {name}: {text}")
    with TemporaryDirectory() as name:
        models = Path(name)
        weights = str(args.weights.resolve())
        bundle = open_bundle(pull_bundle(ModelOptions("mobilenet_v2", weights, None, models)))
        dataset = read_dataset(args.photos / "labels.csv", bundle.labels)
        if args.part in ("accuracy", "all"):
            measure_accuracy(bundle, dataset, models)
            measure_command(bundle, args.photos.resolve(), models)
        if args.part == "accuracy":
            return
        quantized = quantize(bundle, dataset, "speed", models)
        if args.part in ("speed", "all"):
            measure_speed(quantized, "MobileNetV2")
            resnet = write_resnet(models)
            few = Dataset(resnet.labels, dataset.photos[:30])
            measure_speed(quantize(resnet, few, "speed", models), "ResNet-50")
        if args.part in ("server", "all"):
            photos = list_photos(args.photos)
            measure_servers(open_bundle(quantized.folder), photos, models, args.seconds)


if __name__ == "__main__":
    main()
