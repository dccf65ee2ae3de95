"""Pictures a second: a plain loop, `topfive bulk`, and the API, in turn."""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from closed_loop import ClosedLoop, LoopLimits
from materials import Materials
from process_tree import read_tree, total_cpu_ms
from server import clean_environment
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.manifest import read_manifest
from topfive.bulk.results.segments import read_outcomes
from topfive.classify.classifier import Classifier
from topfive.engines import EngineOptions
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine
from topfive.registry.loader import LoadOptions, open_classifier
from topfive.settings import read_settings

API_CLIENTS = 10
TOP_K = 5
WARM_UP = 20
LOOK_EVERY_S = 0.5
LOOP, BULK, API = "a plain loop", "topfive bulk", "the API, 10 clients"


@dataclass(frozen=True, slots=True)
class SpeedScene:
    """The pictures, and what each process of topfive's finds in its environment."""

    materials: Materials
    pictures: Path
    settings: Mapping[str, str]
    shard_pictures: int

    def names(self) -> list[Path]:
        """List the pictures in the order of their names."""
        return sorted(self.pictures.rglob("*.jpg"))


@dataclass(frozen=True, slots=True)
class Done:
    """Pictures a second while there was work, and of the whole command; CPU time of a picture."""

    working_per_s: float
    whole_per_s: float
    cpu_ms: float


@dataclass(slots=True)
class Speeds:
    """What was done, by who did it and how many processes that were."""

    pictures: int
    by_case: dict[tuple[str, int], list[Done]] = field(default_factory=lambda: defaultdict(list))


def measure_speed(scene: SpeedScene, repeats: int) -> Speeds:
    """Have each work on all pictures, in turn."""
    names = scene.names()
    speeds = Speeds(len(names))
    for repeat in range(repeats):
        for processes in (1, 2):
            speeds.by_case[LOOP, processes].append(run_loop(scene, names, processes))
            results = scene.materials.folder / f"speed-{repeat}-{processes}"
            speeds.by_case[BULK, processes].append(run_bulk(scene, results, processes))
            speeds.by_case[API, processes].append(run_api(scene, len(names), processes))
    return speeds


_BARRIER: list[Barrier] = []


def run_loop(scene: SpeedScene, names: Sequence[Path], processes: int) -> Done:
    """Let processes read and classify one picture after the other, each its share."""
    context = get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, keep_barrier, (barrier,)) as pool:
        shares = [
            pool.submit(loop, scene.settings, names[one::processes]) for one in range(processes)
        ]
        ended = [share.result() for share in shares]
    took_s = max(end for _, end, _ in ended) - min(begin for begin, _, _ in ended)
    cpu_ms = sum(cpu_s for _, _, cpu_s in ended) * 1000 / len(names)
    return Done(len(names) / took_s, len(names) / took_s, cpu_ms)


def keep_barrier(barrier: Barrier) -> None:
    """Keep what all processes of a loop begin together by."""
    _BARRIER.append(barrier)


def loop(settings: Mapping[str, str], names: Sequence[Path]) -> tuple[float, float, float]:
    """Classify pictures; tells when it began and ended, and its CPU time, in seconds."""
    os.environ.update(settings)
    limits = read_settings().image_limits
    classifier = open_as_served(settings)
    for name in names[:WARM_UP]:
        classifier.classify(sniff(name.read_bytes(), limits), TOP_K)
    _BARRIER[0].wait()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    for name in names:
        classifier.classify(sniff(name.read_bytes(), limits), TOP_K)
    return began_s, time.monotonic(), time.process_time() - began_cpu_s


def open_as_served(settings: Mapping[str, str]) -> Classifier:
    """Open the one bundle that is there, as an actor does."""
    bundle = next(Path(settings["TOPFIVE_MODELS_DIR"]).glob("*/*/bundle.json")).parent
    limits = read_settings().image_limits
    flags = probe_machine().cpu_flags
    return open_classifier(bundle, LoadOptions(EngineOptions("auto", "auto"), limits, flags))


def run_bulk(scene: SpeedScene, results: Path, actors: int) -> Done:
    """Run `topfive bulk`; the rate is that from the first shard's beginning to the last's end."""
    command = [
        scene.materials.script, "bulk", scene.pictures, "--out", results, "--json",
        "--actors", str(actors), "--shard-pictures", str(scene.shard_pictures),
    ]  # fmt: skip
    began_s = time.monotonic()
    with subprocess.Popen(
        command, env=clean_environment(scene.settings), stdout=subprocess.PIPE, text=True
    ) as run:
        cpu_ms = watch_cpu_ms(run)
        told = run.communicate()[0]
    took_s = time.monotonic() - began_s
    if run.returncode:
        sys.exit(f"topfive bulk ended with {run.returncode}")
    pictures = json.loads(told)["totals"]["pictures"]
    return Done(pictures / working_s(results), pictures / took_s, cpu_ms / pictures)


def watch_cpu_ms(run: subprocess.Popen[str]) -> float:
    """Look now and then, until its end, how much CPU time a run has used with all below it."""
    cpu_ms = 0.0
    while run.poll() is None:
        with suppress(ProcessLookupError):
            cpu_ms = max(cpu_ms, total_cpu_ms(read_tree(run.pid)))
        time.sleep(LOOK_EVERY_S)
    return cpu_ms


def working_s(results: Path) -> float:
    """Tell the time from the beginning of the first shard to the end of the last, in seconds."""
    folder = open_results(str(results))
    manifest = read_manifest(folder)
    if manifest is None:
        sys.exit(f"{results} holds no run")
    outcomes = list(read_outcomes(folder, manifest.run_id))
    ends = [one.began_at + one.duration_s for one in outcomes]
    return max(ends) - min(one.began_at for one in outcomes)


def run_api(scene: SpeedScene, pictures: int, workers: int) -> Done:
    """Send as many pictures to a server."""
    settings = {"TOPFIVE_WORKERS": str(workers), "TOPFIVE_MODEL": scene.settings["TOPFIVE_MODEL"]}
    limits = LoopLimits(clients=API_CLIENTS, requests=pictures, duration_s=600)
    with scene.materials.serving(f"api-{workers}", settings) as server:
        requests = scene.materials.requests(server.address)
        before_ms = total_cpu_ms(read_tree(server.process.pid))
        result = ClosedLoop(server.address, requests, limits).run()
        cpu_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
    if result.errors:
        sys.exit(f"the API answered with {dict(result.errors)}")
    return Done(result.throughput_per_s, result.throughput_per_s, cpu_ms / pictures)


def show_speed(speeds: Speeds) -> Iterator[str]:
    """Lay the speeds out as a table: the median, the lowest and the highest of the repeats."""
    yield ""
    yield f"## Pictures a second, {speeds.pictures:,} pictures each time"
    yield ""
    yield (
        "| what | processes | while working | of the loop's | of the API's | whole command | "
        "CPU ms a picture |"
    )
    yield "|---|---|---|---|---|---|---|"
    for processes in (1, 2):
        for what in (LOOP, BULK, API):
            done = speeds.by_case[what, processes]
            working = [one.working_per_s for one in done]
            shares = [
                median(
                    mine / theirs.working_per_s
                    for mine, theirs in zip(working, speeds.by_case[other, processes], strict=True)
                )
                for other in (LOOP, API)
            ]
            cpu_ms = median(one.cpu_ms for one in done)
            whole = spread([one.whole_per_s for one in done])
            yield (
                f"| {what} | {processes} | {spread(working)} | {shares[0]:.0%} | {shares[1]:.0%} | "
                f"{whole} | {cpu_ms:.2f} |"
            )


def spread(values: Sequence[float]) -> str:
    """Write the median, and the lowest and highest."""
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
