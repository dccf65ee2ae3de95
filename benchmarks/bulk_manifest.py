"""What the manifest and the object store of a bulk run cost as pictures grow to a billion.

python benchmarks/bulk_manifest.py
python benchmarks/bulk_manifest.py --most 10000000 --put-price 0.0054

The code that runs notes shards and goes on with a run; behind it is a bucket that is simulated: it
keeps what is read again, and counts requests and bytes. Each case has a process of its own, whose
memory is told. A directory on this disk is measured too. Times of requests are computed from a
latency that is given, and money from list prices that are given.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from topfive.bulk.inputs.entries import Entry, Shard
from topfive.bulk.inputs.list_files import write_input_list
from topfive.bulk.results.contract import ListedFile, ResultsFolder
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import RunModel, RunPlan, new_manifest
from topfive.bulk.results.parts import part_name, write_part
from topfive.bulk.results.rows import ReadTimings, ResultRow, ShardOutcome
from topfive.bulk.results.run import Run
from topfive.bulk.results.segments import SEGMENTS_IN_BLOCK
from topfive.predictions import ClassScore, ImageInfo, ModelRef

SHARD_PICTURES = 1000
# What a shard's file has; only its size is looked at.
FILE_BYTES = 100_000
LISTED_IN_PAGE = 1000
# As many requests as the code has under way at one time.
LISTED_AT_ONCE, READ_AT_ONCE = 8, 16
MIB = 2**20
MODEL = RunModel("mobilenet_v2", "1.0.0", "ab" * 32, "openvino", "f32")
OUTCOME = {
    "pictures": SHARD_PICTURES,
    "answers_sha256": "cd" * 32,
    "file_bytes": FILE_BYTES,
    "read_bytes": 104_000_000,
    "began_at": 1_790_000_000.123,
    "duration_s": 5.123,
    "node": "ip-10-0-12-34.eu-central-1.compute.internal",
}
CHANCE = random.Random(14)


class CountedBucket:
    """A bucket as the code sees it: what it reads again is kept in files, all else only counted."""

    shown = "s3://simulated/run"

    def __init__(self, place: Path) -> None:
        self.requests: Counter[str] = Counter()
        self.put_bytes = 0
        self.parts = 0
        self._place = place
        self._names: set[str] = set()

    def write(self, name: str, content: bytes) -> None:
        """Keep a file; a block makes its segments superfluous: they are never read again."""
        self.requests["put"] += 1
        self.put_bytes += len(content)
        if "/finished/" not in name:
            return
        if "/blocks/" in name:
            folder = name.replace("/blocks/", "/").removesuffix(".ndjson")
            for place in range(SEGMENTS_IN_BLOCK):
                self._forget(f"{folder}/{place:06d}.ndjson")
        self._path(name).write_bytes(content)
        self._names.add(name)

    create = write

    def read(self, name: str) -> bytes:
        """Give a file."""
        self.requests["get"] += 1
        return self._path(name).read_bytes()

    def list(self, prefix: str) -> Sequence[ListedFile]:
        """List what is kept, in pages."""
        found = [ListedFile(name, 0) for name in sorted(self._names) if name.startswith(prefix)]
        self.requests["list"] += 1 + len(found) // LISTED_IN_PAGE
        return found

    def scan(self, prefixes: Sequence[str]) -> Iterator[ListedFile]:
        """List the results' files of each thousand."""
        for group, _ in enumerate(prefixes):
            self.requests["list"] += 1
            first = group * LISTED_IN_PAGE
            for shard in range(first, min(first + LISTED_IN_PAGE, self.parts)):
                yield ListedFile(part_name(shard, "parquet"), FILE_BYTES)

    def exists(self, name: str) -> bool:
        """Tell whether it is kept."""
        return name in self._names

    def delete(self, *names: str) -> None:
        """Delete nothing: runs do not."""

    def is_empty(self) -> bool:
        """Tell whether nothing is kept."""
        return not self._names

    def location(self, name: str) -> str:
        """Tell an address."""
        return f"{self.shown}/{name}"

    def tidy(self) -> None:
        """Do nothing."""

    def locked(self) -> AbstractContextManager[None]:
        """Lock nothing."""
        return nullcontext()

    def _path(self, name: str) -> Path:
        return self._place / name.replace("/", "-")

    def _forget(self, name: str) -> None:
        self._names.discard(name)
        self._path(name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run's manifest costs: to note all shards, and to go on then; `peak_mib` is what the
    process had at most beyond what it had before.
    """

    shards: int
    in_segment: int
    noted_s: float
    put: int
    put_mib: float
    resume_s: float
    resume_get: int
    resume_list: int
    peak_mib: float


def simulate(folder: ResultsFolder, shards: int, in_segment: int) -> tuple[float, Run]:
    """Note all shards, so many in a segment; gives the seconds and the run."""
    clock = iter(range(10**12))
    manifest = new_manifest(plan())
    run = Run(folder, manifest, lambda: next(clock) / in_segment)
    run.listed(shards * SHARD_PICTURES, shards, "ef" * 32)
    began = time.perf_counter()
    for shard in range(shards):
        # One shard in four has pictures that cannot be decoded.
        errors = {"invalid_image": shard % 7 + 1} if shard % 4 == 0 else {}
        run.note(ShardOutcome(shard, errors=errors, **OUTCOME))  # type: ignore[arg-type]
    run.flush()
    return time.perf_counter() - began, run


def plan() -> RunPlan:
    """Make a plan."""
    return RunPlan("s3://pictures/", "bucket", MODEL, shard_pictures=SHARD_PICTURES)


def measure_case(place: Path, shards: int, in_segment: int) -> Cost:
    """Note all shards in the simulated bucket, then go on as after a kill."""
    bucket, before_mib = CountedBucket(place), peak_mib()
    noted_s, run = simulate(bucket, shards, in_segment)
    put, put_mib = bucket.requests["put"], bucket.put_bytes / MIB
    bucket.parts = shards
    manifest = run.manifest
    del run
    bucket.requests.clear()
    began = time.perf_counter()
    again = Run(bucket, manifest)
    again.load()
    resume_s = time.perf_counter() - began
    assert len(again.finished_shards) == shards
    return Cost(
        shards, in_segment, noted_s, put, put_mib, resume_s, bucket.requests["get"],
        bucket.requests["list"], peak_mib() - before_mib,
    )  # fmt: skip


def measure_directory(place: Path, shards: int, in_segment: int) -> Cost:
    """Do the same in a directory, with files of the right sizes that hold nothing."""
    folder, before_mib = open_results(str(place)), peak_mib()
    for shard in range(shards):
        path = place / part_name(shard, "parquet")
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(FILE_BYTES)
    noted_s, run = simulate(folder, shards, in_segment)
    files = list(folder.list("_topfive/finished/"))
    began = time.perf_counter()
    again = Run(folder, run.manifest)
    again.load()
    resume_s = time.perf_counter() - began
    assert len(again.finished_shards) == shards
    put_mib = sum(one.size_bytes for one in files) / MIB
    more_mib = peak_mib() - before_mib
    return Cost(shards, in_segment, noted_s, len(files), put_mib, resume_s, 0, 0, more_mib)


def peak_mib() -> float:
    """Tell the most memory that this process has had; unlike `ru_maxrss` not its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def draw_rows(count: int) -> Iterator[ResultRow]:
    """Draw rows as ImageNet's photos give them: one in a hundred cannot be decoded."""
    for index in range(count):
        path = f"s3://pictures/2026/{index % 365:03d}/{CHANCE.randbytes(8).hex()}.jpg"
        size_bytes = int(CHANCE.lognormvariate(11.4, 0.5))
        sha256 = CHANCE.randbytes(32).hex()
        if CHANCE.random() < 0.01:
            yield ResultRow(index, path, size_bytes, sha256, error="invalid_image",
                            detail="The picture cannot be decoded.")  # fmt: skip
            continue
        left, classes = 1.0, []
        for _ in range(5):
            confidence = left * CHANCE.random()
            left -= confidence
            number = CHANCE.randrange(1000)
            classes.append(ClassScore(number, f"class name {number}", confidence))
        timings = ReadTimings(*(CHANCE.gammavariate(4, 0.5) for _ in range(4)))
        image = ImageInfo("JPEG", CHANCE.choice([500, 640, 333]), CHANCE.choice([375, 500, 480]))
        yield ResultRow(index, path, size_bytes, sha256, image, tuple(classes), timings=timings)


def measure_files() -> Iterator[tuple[str, float, float]]:
    """Tell the bytes a picture, and the milliseconds for a thousand, of each form and the list."""
    bucket = CountedBucket(Path())
    rows = list(draw_rows(SHARD_PICTURES))
    shard = Shard(0, 0, tuple(Entry(row.path.encode()) for row in rows))
    for form in ResultFormat:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            part = write_part(bucket, form, "ab" * 16, shard, rows, ModelRef("m", "1.0.0"))
            took.append(time.perf_counter() - began)
        yield form, part.bytes / SHARD_PICTURES, 1000 * min(took)
    before, began = bucket.put_bytes, time.perf_counter()
    pictures = 200 * SHARD_PICTURES
    entries = (
        Entry(f"s3://pictures/2026/{one % 365:03d}/{CHANCE.randbytes(8).hex()}.jpg".encode(),
              100_000 + one % 9000, CHANCE.randbytes(16).hex())
        for one in range(pictures)
    )  # fmt: skip
    write_input_list(bucket, entries, SHARD_PICTURES)
    took_ms = (time.perf_counter() - began) * 1000 * SHARD_PICTURES / pictures
    yield "list of pictures", (bucket.put_bytes - before) / pictures, took_ms


def in_child(*arguments: str) -> Cost:
    """Measure a case in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(**json.loads(answer.stdout))


def show(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def report_simulated(given: argparse.Namespace) -> list[Cost]:
    """Print what the simulated bucket was asked, at each size."""
    costs = [
        in_child("--case", str(pictures // SHARD_PICTURES), str(in_segment))
        for pictures in sizes(given)
        for in_segment in (100, 1)
    ]
    print("\n## Manifest in a bucket (requests and bytes simulated, CPU and memory measured)")
    show(
        ("pictures", "shards", "shards a segment", "noting a shard, ms", "PUT", "MiB put",
         "going on: GET", "LIST", "CPU s", "memory used, MiB", "s at the latency (computed)"),
        (row_of(one, given) for one in costs),
    )  # fmt: skip
    return costs


def row_of(one: Cost, given: argparse.Namespace) -> Sequence[str]:
    """Write one case."""
    waited_s = given.latency * (
        one.resume_get / READ_AT_ONCE + one.resume_list / LISTED_AT_ONCE
    )  # fmt: skip
    return (
        f"{one.shards * SHARD_PICTURES:,}", f"{one.shards:,}", str(one.in_segment),
        f"{1000 * one.noted_s / one.shards:.3f}", f"{one.put:,}", f"{one.put_mib:,.1f}",
        f"{one.resume_get:,}", f"{one.resume_list:,}", f"{one.resume_s:.2f}",
        f"{one.peak_mib:.0f}", f"{waited_s + one.resume_s:.1f}",
    )  # fmt: skip


def report_directory(given: argparse.Namespace) -> None:
    """Print what a directory takes."""
    print("\n## Manifest in a directory (measured)")
    cases = [(1000, 1), (10_000, 1), (10_000, 100), (100_000, 100)]
    costs = [
        in_child("--directory", given.place, str(shards), str(in_segment))
        for shards, in_segment in cases
        if shards * SHARD_PICTURES <= given.most
    ]
    show(
        ("pictures", "shards", "shards a segment", "noting a shard, ms", "files", "MiB",
         "going on, s", "memory used, MiB"),
        (
            (f"{one.shards * SHARD_PICTURES:,}", f"{one.shards:,}", str(one.in_segment),
             f"{1000 * one.noted_s / one.shards:.3f}", f"{one.put:,}", f"{one.put_mib:.1f}",
             f"{one.resume_s:.2f}", f"{one.peak_mib:.0f}")
            for one in costs
        ),
    )  # fmt: skip


def report_money(given: argparse.Namespace, costs: Sequence[Cost], files: dict[str, float]) -> None:
    """Print what the requests of a whole run cost at the list prices that were given."""
    print("\n## A whole run from bucket to bucket (computed)")
    worst = {one.shards * SHARD_PICTURES: one for one in costs if one.in_segment == 1}
    rows = []
    for pictures in sizes(given):
        one = worst[pictures]
        put = one.put + one.shards + pictures // (100 * SHARD_PICTURES)
        listed, got = pictures // LISTED_IN_PAGE, pictures + pictures // (100 * SHARD_PICTURES)
        stored_gb = pictures * (files["parquet"] + files["list of pictures"]) / 1e9
        money = (
            given.put_price * listed / 1000,
            given.get_price * got / 1000,
            given.put_price * put / 1000,
            given.get_price * one.resume_get / 1000 + given.put_price * one.resume_list / 1000,
            given.stored_price * stored_gb,
        )
        rows.append([f"{pictures:,}", f"{put:,}", f"{stored_gb:,.2f}",
                     *(f"{amount:,.4f}" for amount in money)])  # fmt: skip
    show(
        ("pictures", "PUT of lists, results, manifest", "GB kept", "listing pictures, $",
         "reading pictures, $", "PUT, $", "each --resume, $", "keeping it, $ a month"),
        rows,
    )  # fmt: skip


def sizes(given: argparse.Namespace) -> list[int]:
    """Tell the numbers of pictures."""
    return [10**power for power in range(6, 10) if 10**power <= given.most]


def report(given: argparse.Namespace) -> None:
    """Measure, simulate, compute and print."""
    found = list(measure_files())
    print("## Files of a thousand pictures (measured)")
    show(
        ("file", "bytes a picture", "ms a thousand"),
        ((name, f"{size_bytes:.0f}", f"{ms:.1f}") for name, size_bytes, ms in found),
    )
    if "bucket" in given.parts:
        costs = report_simulated(given)
        report_money(given, costs, {name: size_bytes for name, size_bytes, _ in found})
    if "directory" in given.parts:
        report_directory(given)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10**9, help="the most pictures")
    parser.add_argument("--place", default="", help="a directory of the disk to measure")
    parser.add_argument("--latency", type=float, default=0.03, help="seconds for a request")
    parser.add_argument("--put-price", type=float, default=0.005, help="1,000 PUT or LIST, dollars")
    parser.add_argument("--get-price", type=float, default=0.0004, help="1,000 GET, dollars")
    parser.add_argument("--stored-price", type=float, default=0.023, help="a GB for a month")
    parser.add_argument("--parts", default="bucket,directory", help="some of them")
    parser.add_argument("--case", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--directory", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Do one case, or all."""
    given = parse()
    if given.case:
        # In memory where that can be: thousands of tiny files are the simulation's, not the run's.
        memory = Path("/dev/shm")
        with TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
            print(json.dumps(asdict(measure_case(Path(place), *given.case))))
    elif given.directory:
        where, shards, in_segment = given.directory
        with TemporaryDirectory(dir=where or None) as place:
            cost = measure_directory(Path(place) / "results", int(shards), int(in_segment))
        print(json.dumps(asdict(cost)))
    else:
        report(given)


if __name__ == "__main__":
    main()
