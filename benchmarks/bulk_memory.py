"""The memory of a long bulk run by its processes, its bytes, and how soon it goes on."""

import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median

from bulk_speed import working_s
from process_tree import PROC, read_memory_mib
from uploads import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from tests.bulk.started import StartedBulk

# A look at all processes takes a tenth of a second.
SAMPLE_EVERY_S = 5.0
# Allocators grow until each path was taken once.
SETTLED_FROM = 0.2
# By what is in their titles, the first that fits.
KINDS = {
    "driver": "topfive bulk",
    "actors": "(ShardScorer)",
    "raylet": "raylet/raylet",
    "Ray's state (gcs_server)": "gcs/gcs_server",
}
OTHERS = "Ray's other processes"


@dataclass(frozen=True, slots=True)
class Sample:
    """PSS by kind of process after so many pictures, in MiB."""

    pictures: int
    pss_mib: Mapping[str, float]

    @property
    def total_mib(self) -> float:
        """All of it."""
        return sum(self.pss_mib.values())


@dataclass(frozen=True, slots=True)
class LongRun:
    """A run of many pictures, and what came after it."""

    pictures: int
    took_s: float
    working_s: float
    samples: Sequence[Sample]
    result_bytes: int
    list_bytes: int
    segment_bytes: int
    read_bytes: int
    resumes_s: Mapping[str, tuple[float, float]]


def measure_long(
    pictures: Path, results: Path, settings: Mapping[str, str], shard_pictures: int
) -> LongRun:
    """Run over all pictures undisturbed, then go on with it as if it had been killed."""
    began_s = time.monotonic()
    run = start(pictures, results, settings, shard_pictures)
    try:
        samples = list(watch(run, shard_pictures))
        run.end()
    finally:
        run.close()
    took_s = time.monotonic() - began_s
    told = json.loads(run.told.strip().splitlines()[-1])["totals"]
    work_s = working_s(results)
    sizes = [
        sum_bytes(results, glob)
        for glob in ("part-*", "_topfive/inputs/*", "_topfive/finished/**/*")
    ]
    resumes = measure_resumes(pictures, results, settings, shard_pictures)
    return LongRun(told["pictures"], took_s, work_s, samples, *sizes, told["read_bytes"], resumes)


def start(
    pictures: Path, results: Path, settings: Mapping[str, str], shard_pictures: int
) -> StartedBulk:
    """Start or go on."""
    return StartedBulk(
        pictures, "--out", results, "--actors", "2", "--resume", "--json",
        "--shard-pictures", str(shard_pictures),
        log=results.with_name(f"{results.name}.log"), **settings,
    )  # fmt: skip


def watch(run: StartedBulk, shard_pictures: int) -> Iterator[Sample]:
    """Look at all processes of a run now and then until it ends."""
    while run.process.poll() is None:
        yield Sample(len(run.parts()) * shard_pictures, read_pss(run))
        time.sleep(SAMPLE_EVERY_S)


def read_pss(run: StartedBulk) -> dict[str, float]:
    """Add up PSS by kind of process."""
    found: dict[str, float] = defaultdict(float)
    for pid in run.pids():
        found[kind_of(pid)] += read_memory_mib(pid)[0]
    return dict(found)


def kind_of(pid: int) -> str:
    """Tell which kind of process it is."""
    try:
        title = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return OTHERS
    return next((kind for kind, part in KINDS.items() if part in title), OTHERS)


def measure_resumes(
    pictures: Path, results: Path, settings: Mapping[str, str], shard_pictures: int
) -> dict[str, tuple[float, float]]:
    """Take the results of some shards away, and go on: seconds to the first of them, and in all."""
    resumes = {}
    parts = sorted(results.glob("part-*"))
    cases = {
        "nothing left to do": [],
        "one shard left": parts[-1:],
        "half of the results there, not one of them in the manifest": parts[len(parts) // 2 :],
    }
    for case, gone in cases.items():
        for part in gone:
            part.unlink()
        if "manifest" in case:
            shutil.rmtree(results / "_topfive/finished")
        kept = len(parts) - len(gone)
        began_s = time.monotonic()
        run = start(pictures, results, settings, shard_pictures)
        try:
            first_s = 0.0
            while run.process.poll() is None and not first_s:
                if len(run.parts()) > kept:
                    first_s = time.monotonic() - began_s
                time.sleep(0.02)
            if "manifest" in case:
                # That it goes on is known.
                run.kill()
            run.process.wait()
        finally:
            run.close()
        resumes[case] = (first_s, time.monotonic() - began_s)
    return resumes


def sum_bytes(results: Path, pattern: str) -> int:
    """Add up the sizes of files."""
    return sum(one.stat().st_size for one in results.glob(pattern) if one.is_file())


def show_memory(run: LongRun) -> Iterator[str]:
    """Lay it out as tables."""
    count = run.pictures
    yield ""
    yield f"## {count:,} pictures, two actors"
    yield ""
    yield (
        f"{run.took_s:.0f} s in all, {count / run.took_s:.0f} pictures/s; from the first "
        f"shard's beginning to the last one's end {run.working_s:.0f} s, "
        f"{count / run.working_s:.0f} a second. "
        f"Read {run.read_bytes / 1e9:.2f} GB; written {run.result_bytes / 1e6:.1f} MB of results "
        f"({run.result_bytes / count:.0f} bytes a picture), {run.list_bytes / 1e6:.2f} MB of list, "
        f"{run.segment_bytes / 1e6:.2f} MB about finished shards."
    )
    yield ""
    yield "PSS in MiB; growth is the slope of a line through all samples but the first fifth."
    yield ""
    yield "| processes | second fifth | last fifth | most | growth in MiB for 10,000 pictures |"
    yield "|---|---|---|---|---|"
    settled = [one for one in run.samples if SETTLED_FROM * count <= one.pictures < count]
    for kind in [*KINDS, OTHERS]:
        yield _row(kind, settled, [one.pss_mib.get(kind, 0.0) for one in settled])
    yield _row("all", settled, [one.total_mib for one in settled])
    yield ""
    yield "| going on | s until a further shard is there | s in all |"
    yield "|---|---|---|"
    for case, (first_s, all_s) in run.resumes_s.items():
        ended = "killed then" if "manifest" in case else f"{all_s:.1f}"
        yield f"| {case} | {f'{first_s:.1f}' if first_s else ''} | {ended} |"


def _row(kind: str, samples: Sequence[Sample], values: Sequence[float]) -> str:
    if len(samples) < 4:
        return f"| {kind} | too few samples | | | |"
    fifth = max(1, len(values) // 4)
    slope = linear_regression([one.pictures for one in samples], values).slope
    return (
        f"| {kind} | {median(values[:fifth]):.0f} | {median(values[-fifth:]):.0f} | "
        f"{max(values):.0f} | {slope * 10_000:+.2f} |"
    )
