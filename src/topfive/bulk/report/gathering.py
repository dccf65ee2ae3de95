"""What a run's files tell, added up shard by shard: memory does not grow with the pictures."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from topfive.bulk.report.batches import read_batches
from topfive.bulk.report.classes import ClassTally
from topfive.bulk.report.course import Course, ShardSize
from topfive.bulk.report.failures import FailureTally
from topfive.bulk.report.sizes import SizeTally
from topfive.bulk.report.times import TimeTally
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.manifest import Manifest, RunState, read_manifest
from topfive.bulk.results.parts import part_name
from topfive.bulk.results.segments import read_outcomes
from topfive.errors import BulkRefused, BulkStopped

# Files that are read while one is counted: a bucket answers slowly.
_READ_AHEAD = 8


@dataclass(slots=True)
class Gathered:
    """A run's manifest, and what its finished shards come to.

    `pictures` is the number of their rows, `file_bytes` and `read_bytes` the size of their files
    and of the pictures.
    """

    manifest: Manifest
    pictures: int = 0
    file_bytes: int = 0
    read_bytes: int = 0
    course: Course = field(default_factory=Course)
    classes: ClassTally = field(default_factory=ClassTally)
    failures: FailureTally = field(default_factory=FailureTally)
    sizes: SizeTally = field(default_factory=SizeTally)
    times: TimeTally = field(default_factory=TimeTally)

    @property
    def is_whole(self) -> bool:
        """Whether all pictures of the run are in it."""
        is_finished = self.manifest.state is RunState.FINISHED
        return is_finished and self.pictures == self.manifest.input.pictures


def gather(folder: ResultsFolder, report: Callable[[int, int], None]) -> Gathered:
    """Read all finished shards of a run, which may still be at work; nothing is changed.

    `report` is told how many shards are read, of how many. Raises BulkRefused if there is no run,
    or nothing of it is finished; BulkStopped if a file of it is missing or damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise BulkRefused(
            f"{folder.shown} holds no run of `topfive bulk`. Give the folder that was named after "
            "--out."
        )
    gathered = Gathered(manifest)
    for outcome in read_outcomes(folder, manifest.run_id):
        gathered.course.add(outcome)
    if not len(gathered.course):
        raise BulkRefused(
            f"Of the run in {folder.shown} nothing is finished yet. Ask again once a shard is, "
            "or go on with it by --resume."
        )
    for done, (shard, content) in enumerate(_read(folder, gathered), 1):
        _count(gathered, folder, shard, content)
        report(done, len(gathered.course))
    return gathered


def _read(folder: ResultsFolder, gathered: Gathered) -> Iterator[tuple[ShardSize, bytes]]:
    """Read the shards' files in their order, the next of them while one is worked on."""
    waiting: deque[tuple[ShardSize, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_READ_AHEAD) as pool:
        for shard in gathered.course.shards():
            name = part_name(shard.shard, gathered.manifest.format)
            waiting.append((shard, pool.submit(folder.read, name)))
            if len(waiting) >= _READ_AHEAD:
                yield _take(gathered, folder, *waiting.popleft())
        while waiting:
            yield _take(gathered, folder, *waiting.popleft())


def _take(
    gathered: Gathered, folder: ResultsFolder, shard: ShardSize, reading: Future[bytes]
) -> tuple[ShardSize, bytes]:
    try:
        content = reading.result()
    except FileNotFoundError as error:
        raise _damaged(gathered, folder, shard, "it has gone") from error
    if len(content) != shard.file_bytes:
        why = f"it has {len(content):,} bytes, and was written with {shard.file_bytes:,}"
        raise _damaged(gathered, folder, shard, why)
    return shard, content


def _count(gathered: Gathered, folder: ResultsFolder, shard: ShardSize, content: bytes) -> None:
    rows = 0
    tallies = (gathered.classes, gathered.failures, gathered.sizes, gathered.times)
    try:
        for batch in read_batches(content, gathered.manifest.format):
            rows += batch.num_rows
            gathered.read_bytes += int(batch["size_bytes"].to_numpy().clip(0).sum())
            for tally in tallies:
                tally.add(batch)
    except ValueError as error:
        raise _damaged(gathered, folder, shard, "it is damaged") from error
    if rows != shard.pictures:
        why = f"it has {rows} rows, and was written with {shard.pictures}"
        raise _damaged(gathered, folder, shard, why)
    gathered.pictures += rows
    gathered.file_bytes += len(content)


def _damaged(gathered: Gathered, folder: ResultsFolder, shard: ShardSize, why: str) -> BulkStopped:
    name = part_name(shard.shard, gathered.manifest.format)
    return BulkStopped(
        f"{folder.shown}/{name} cannot be counted: {why}. Delete it where it is still there, and "
        "give the same `topfive bulk` with --resume, which writes it again."
    )
