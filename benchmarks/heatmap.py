"""Measure what heatmaps cost, asked for and not, and whether they show what the model goes by.

python benchmarks/heatmap.py --weights FILE --photos DIR

Cost: the same graph with and without its output of features, in turn in one run, in each precision
that this CPU computes in; then a server, asked with and without `explain=heatmap`, in turn too.
Faithfulness: the fifth of the pixels where most was seen is greyed, then the fifth where least was.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from closed_loop import ClosedLoop, LoopLimits
from process_tree import read_tree, total_cpu_ms
from report import describe_machine
from server import Server, ServerPlan, serving
from topfive.bundles.manifest import GRAPH_FILE
from topfive.bundles.official import official_weights
from topfive.bundles.store import Bundle, open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import engine_source, load_classifier
from topfive.engines import EngineCandidate, EngineOptions, open_engine
from topfive.engines.quiet_openvino import openvino as ov
from topfive.engines.torchvision_models import build_module
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import crop_box
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine
from topfive.predictions import Heatmap
from topfive.registry.desired import ModelOptions
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture
from topfive.training.pull import pull_bundle
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, ask_json, build_request, list_photos

LIMITS = ImageLimits()
CLIENTS = 10
WARMUP_S = 2.0
FIFTH = 0.2
GREY = 127
BLOCK = 32

Pixels = NDArray[np.uint8]
Order = NDArray[np.float64]


def write_resnet(root: Path) -> Bundle:
    """Write a ResNet-50 of random weights: its speed is that of trained ones."""
    import torch  # noqa: PLC0415 - only for this

    torch.manual_seed(1)
    plan = BundlePlan(
        name="resnet50-random",
        version="1",
        architecture="resnet50",
        input=official_weights("resnet50").input,
        labels=tuple(f"class {number}" for number in range(1000)),
        source="local:random",
        golden=draw_golden_picture(224),
    )
    return open_bundle(write_bundle(plan, build_module("resnet50", {}, 1000).state_dict(), root))


def without_features(bundle: Bundle, folder: Path) -> Path:
    """Write a bundle's graph without its output of features, as layout 1 had it."""
    graph = ov.Core().read_model(bundle.folder / GRAPH_FILE)
    graph.remove_result(graph.output(1).node)
    path = folder / f"{bundle.manifest.name}.xml"
    ov.save_model(graph, path, compress_to_fp16=False)
    return path


def time_in_turn(jobs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Run jobs in turn for a while; returns the median CPU time of each in ms.

    CPU time, so that other work on the machine counts less. Each runs once before it is measured:
    it finds in the caches what it would after itself.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        for name, job in jobs.items():
            job()
            began_s = time.process_time()
            job()
            times[name].append((time.process_time() - began_s) * 1000)
    return {name: statistics.median(some) for name, some in times.items()}


def measure_output(bundle: Bundle, folder: Path, precision: str, seconds: float) -> None:
    """Print what the second output costs an inference, unasked and asked."""
    source = engine_source(bundle)
    candidate = EngineCandidate("openvino", precision, "measured")
    with_it = open_engine(source, candidate, 1)
    older = replace(source, graph_file=without_features(bundle, folder), features_output="")
    plain = open_engine(older, candidate, 1)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, source.side, source.side, 3), np.uint8)
    jobs: dict[str, Callable[[], object]] = {
        "one output": lambda: plain.infer(pixels),
        "two, not asked": lambda: with_it.infer(pixels),
        "two, features copied": lambda: with_it.infer_with_features(pixels),
    }
    time_in_turn(jobs, 1.0)
    found = time_in_turn(jobs, seconds)
    cells = [f"{value:.3f}" for value in found.values()]
    share = found["two, not asked"] / found["one output"] - 1
    print(f"| {bundle.manifest.name}, {precision} | {' | '.join(cells)} | {share:+.1%} |")
    for engine in (with_it, plain):
        engine.close()


def measure_explaining(classifier: Classifier, photo: Path, seconds: float) -> None:
    """Print what a heatmap costs a picture from bytes to classes, without HTTP."""
    upload = sniff(photo.read_bytes(), LIMITS)

    def plain() -> object:
        return classifier.infer(classifier.prepare(upload).pixels, 5)

    def explained() -> object:
        return classifier.explain(classifier.prepare(upload), 5)

    jobs = {"plain": plain, "with a heatmap": explained}
    time_in_turn(jobs, 1.0)
    found = time_in_turn(jobs, seconds)
    cells = [f"{value:.3f}" for value in found.values()]
    share = found["with a heatmap"] / found["plain"] - 1
    name = f"{classifier.ref.name}, {classifier.engine.precision}"
    print(f"| {name} | {' | '.join(cells)} | {share:+.1%} |")


def measure_server(server: Server, photos: list[Path], rounds: int, seconds: float) -> None:
    """Print pictures a second and CPU a picture, plain and with a heatmap, asked in turn."""
    plain = [build_request(one, server.address) for one in photos]
    asked = {
        "/predict": plain,
        "/predict?explain=heatmap": [
            one.replace(b"POST /predict ", b"POST /predict?explain=heatmap ", 1) for one in plain
        ],
    }
    rates: dict[str, list[float]] = {way: [] for way in asked}
    cpu_ms: dict[str, list[float]] = {way: [] for way in asked}
    for number, way in product(range(rounds + 1), asked):
        limits = LoopLimits(CLIENTS, 10**6, seconds if number else WARMUP_S)
        before_ms = total_cpu_ms(read_tree(server.process.pid))
        result = ClosedLoop(server.address, asked[way], limits).run()
        used_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
        if result.errors:
            sys.exit(f"{way}: {dict(result.errors)}")
        if number:
            rates[way].append(result.throughput_per_s)
            cpu_ms[way].append(used_ms / len(result.latencies_ms))
    print("\n| asked | pictures/s | CPU ms a picture |\n|---|---|---|")
    for way in asked:
        rate, cpu = statistics.median(rates[way]), statistics.median(cpu_ms[way])
        print(f"| {way} | {rate:.0f} | {cpu:.2f} |")


def heat_of(heatmap: Heatmap, picture: Image.Image, classifier: Classifier) -> Order:
    """Lay a heatmap over its picture, as a page does; what the model does not see is NaN."""
    with Image.open(BytesIO(heatmap.png)) as png:
        heat = np.asarray(png.resize(picture.size, Image.Resampling.BILINEAR)).astype(float)
    left, top, right, bottom = map(round, crop_box(picture.size, classifier.bundle.manifest.input))
    seen = np.full_like(heat, np.nan)
    seen[top:bottom, left:right] = heat[top:bottom, left:right]
    return seen


def grey_fifth(picture: Image.Image, order: Order) -> bytes:
    """Grey the fifth of the pixels that the model sees for which `order` is highest; a PNG."""
    pixels = np.asarray(picture).copy()
    flat = np.where(np.isnan(order), -np.inf, order).ravel()
    count = int(FIFTH * np.isfinite(flat).sum())
    pixels.reshape(-1, 3)[np.argpartition(flat, -count)[-count:]] = GREY
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def confidence(classifier: Classifier, data: bytes, class_id: int) -> float:
    """Tell how sure the model is of a class."""
    found = classifier.classify(sniff(data, LIMITS), classifier.bundle.manifest.classes)
    return next(one.confidence for one in found.classes if one.class_id == class_id)


def measure_faithfulness(classifier: Classifier, photos: list[Path]) -> None:
    """Print how sure the model is of its best class after a fifth of the picture was greyed."""
    rng = np.random.default_rng(0)
    sure: dict[str, list[float]] = {"whole": [], "hottest": [], "coldest": [], "random": []}
    for photo in photos:
        upload = sniff(photo.read_bytes(), LIMITS)
        picture = decode(upload, LIMITS, 10**6).pixels
        explained = classifier.explain(classifier.prepare(upload), 1)
        assert explained.heatmap is not None
        best, heat = explained.classes[0], heat_of(explained.heatmap, picture, classifier)
        # Where nothing was seen all are alike: a little chance decides.
        heat = heat + rng.random(heat.shape) / 100
        blocks = rng.random([-(-side // BLOCK) for side in heat.shape])
        scattered = np.kron(blocks, np.ones((BLOCK, BLOCK)))[: heat.shape[0], : heat.shape[1]]
        orders = {"hottest": heat, "coldest": -heat, "random": scattered + heat * 0}
        sure["whole"].append(best.confidence)
        for name, order in orders.items():
            sure[name].append(confidence(classifier, grey_fifth(picture, order), best.class_id))
    print("\n| greyed | mean confidence in the best class | less than before |\n|---|---|---|")
    whole = statistics.mean(sure["whole"])
    for name, some in sure.items():
        print(f"| {name} | {statistics.mean(some):.3f} | {whole - statistics.mean(some):.3f} |")
    worse = sum(hot < cold for hot, cold in zip(sure["hottest"], sure["coldest"], strict=True))
    print(f"\nThe hottest fifth costs more than the coldest in {worse} of {len(photos)} photos.")


def main() -> None:
    """Make bundles, and measure one thing after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
    for name, text in describe_machine().items():
        print(f"- {name}: {text}")
    photos = list_photos(args.photos)
    has_bf16 = bool(probe_machine().cpu_flags & {"avx512_bf16", "amx_bf16", "bf16"})
    precisions = ("bf16", "f32") if has_bf16 else ("f32",)
    with TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        mobilenet = open_bundle(
            pull_bundle(ModelOptions("mobilenet_v2", str(args.weights.resolve()), None, models))
        )
        print("\n| inference, CPU ms | one output | two, not asked | features too | not asked |")
        print("|---|---|---|---|---|")
        for bundle, precision in product((mobilenet, write_resnet(models)), precisions):
            measure_output(bundle, folder, precision, args.seconds)
        print("\n| from bytes to classes, CPU ms | plain | with a heatmap | |\n|---|---|---|---|")
        loaded = [
            load_classifier(mobilenet, EngineOptions("openvino", one), LIMITS, frozenset())
            for one in precisions
        ]
        for classifier in loaded:
            measure_explaining(classifier, photos[len(photos) // 2], args.seconds)
        measure_faithfulness(loaded[0], photos)
        for classifier in loaded:
            classifier.close()
        settings = {
            "TOPFIVE_HOST": "127.0.0.1",
            "TOPFIVE_PORT": "0",
            "TOPFIVE_RATE_LIMIT": "",
            "TOPFIVE_WEIGHTS": str(args.weights.resolve()),
            "TOPFIVE_MODELS_DIR": str(models),
        }
        script = Path(sys.executable).with_name("topfive")
        with serving(ServerPlan(script, settings, folder)) as server:
            server.wait_until(lambda address: ask_json(address, "/health")["model_loaded"])
            measure_server(server, photos, args.rounds, args.seconds / 2)


if __name__ == "__main__":
    main()
