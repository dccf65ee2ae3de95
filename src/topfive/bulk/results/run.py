"""A run in its folder: begun, noted shard by shard, ended, and gone on with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from uuid import uuid4

from topfive.bulk.results.adoption import FilesFound, compare_files
from topfive.bulk.results.changes import require_same_plan
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.finished import FinishedShards
from topfive.bulk.results.manifest import (
    MANIFEST_FILE,
    Manifest,
    RunPlan,
    RunState,
    encode_manifest,
    new_manifest,
    read_manifest,
)
from topfive.bulk.results.rows import ShardOutcome
from topfive.bulk.results.segments import SegmentLog
from topfive.errors import BulkRefused, BulkStopped, OperatorError

# What a kill of the driver makes unknown: it is found by its files, or done again.
_FLUSH_AFTER_S = 1.0
_FLUSH_SHARDS = 100
_MOST_NAMED = 5


class Run:
    """One run. Only its driver has it; what is noted is on the disk within a second of work."""

    def __init__(
        self, folder: ResultsFolder, manifest: Manifest, now_s: Callable[[], float] = monotonic
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.finished_shards = FinishedShards()
        self.files = FilesFound()
        self._segments = SegmentLog(folder, manifest.run_id, uuid4().hex)
        self._waiting: list[ShardOutcome] = []
        self._now_s = now_s
        self._flushed_s = now_s()

    @property
    def is_listed(self) -> bool:
        """Whether the list of pictures is there, whole."""
        return self.manifest.state is not RunState.LISTING

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.manifest.state is RunState.FINISHED

    @property
    def damaged_files(self) -> list[str]:
        """Files of the run that are damaged, or of another run: what they told is done again."""
        return [*self._segments.damaged, *self.files.refused]

    def findings(self) -> Iterator[str]:
        """Tell in sentences what was not as the manifest said when the run was gone on with."""
        if self.files.adopted:
            yield f"Shards done and not noted before: {len(self.files.adopted):,}. They are kept."
        if self.files.lost:
            yield (
                "Finished shards whose files have gone or have another size: "
                f"{len(self.files.lost):,}. They are done again."
            )
        if self.damaged_files:
            count, names = len(self.damaged_files), ", ".join(self.damaged_files[:_MOST_NAMED])
            yield f"Files that are damaged or of another run: {count:,} ({names})."

    def listed(self, pictures: int, shards: int, sha256: str) -> None:
        """Note that the list of pictures is written; work can begin."""
        told = replace(self.manifest.input, pictures=pictures, shards=shards, sha256=sha256)
        self._change(RunState.RUNNING, input=told)

    def unfinished(self) -> Iterator[int]:
        """Go through the shards that are to be done."""
        return self.finished_shards.unfinished(self.manifest.input.shards or 0)

    def note(self, outcome: ShardOutcome) -> None:
        """Take down that a shard's file is written; raises as the folder does."""
        self.finished_shards.add(outcome)
        self._waiting.append(outcome)
        waited_s = self._now_s() - self._flushed_s
        if waited_s >= _FLUSH_AFTER_S or len(self._waiting) >= _FLUSH_SHARDS:
            self.flush()

    def flush(self) -> None:
        """Write down what was noted."""
        if self._waiting:
            self._segments.append(self._waiting)
            self._waiting = []
        self._flushed_s = self._now_s()

    def finish(self) -> None:
        """End the run, with its files counted once more.

        Raises BulkStopped if a shard is not finished, or the file of one is not there.
        """
        self.flush()
        left = sum(1 for _ in self.unfinished())
        lost = compare_files(self.folder, self.manifest, self.finished_shards).lost
        if left or lost:
            raise BulkStopped(
                f"The run in {self.folder.shown} is not whole (shards that are not done: {left:,}, "
                f"whose files have gone or changed: {len(lost):,}). Go on with --resume."
            )
        self.folder.tidy()
        self._change(RunState.FINISHED)

    def stop(self, reason: str) -> None:
        """Note why the run ends before it is finished, as far as that can still be written."""
        try:
            self.flush()
            if self.is_listed and not self.is_finished:
                self._change(RunState.STOPPED, reason=reason)
        except OperatorError:
            # It stopped for the same cause, which is told; `--resume` needs none of this.
            return

    def load(self) -> None:
        """Find out what is finished: what was noted, held against the files."""
        for outcome in self._segments.read():
            self.finished_shards.add(outcome)
        self.files = compare_files(self.folder, self.manifest, self.finished_shards)
        for shard in self.files.lost:
            self.finished_shards.remove(shard)
        for outcome in self.files.adopted:
            self.note(outcome)
        self.flush()
        if not self.is_finished or any(True for _ in self.unfinished()):
            self._change(RunState.RUNNING)

    def _change(self, state: RunState, **changes: object) -> None:
        totals = self.finished_shards.totals()
        self.manifest = self.manifest.at(state, totals=totals, **changes)
        self.folder.write(MANIFEST_FILE, encode_manifest(self.manifest))


@contextmanager
def open_run(folder: ResultsFolder, plan: RunPlan, *, resume: bool) -> Iterator[Run]:
    """Begin a run in an empty folder, or go on with the one that is there; no other can meanwhile.

    With `resume` and nothing there a run begins: whoever starts it again and again needs not know.
    Raises BulkRefused if the folder holds a run and is not to go on with it, or holds other
    files; if the run began otherwise; or if another process is at work on it.
    """
    with folder.locked():
        manifest = read_manifest(folder)
        if manifest is None:
            yield begin_run(folder, plan)
        else:
            yield _resume(folder, manifest, plan, resume=resume)


def begin_run(folder: ResultsFolder, plan: RunPlan) -> Run:
    """Begin a run, which is to list its pictures next; raises BulkRefused as `open_run`."""
    if not folder.is_empty():
        raise BulkRefused(
            f"{folder.shown} holds files that are of no run. Give an empty folder after --out."
        )
    manifest = new_manifest(plan)
    try:
        folder.create(MANIFEST_FILE, encode_manifest(manifest))
    except FileExistsError as error:
        raise BulkRefused(
            f"Another `topfive bulk` has just begun in {folder.shown}. Give another folder after "
            "--out."
        ) from error
    return Run(folder, manifest)


def _refuse_second(shown: str, manifest: Manifest) -> BulkRefused:
    """Say what is in a folder; who is at work in it would have locked it."""
    holds = f"{shown} holds a run of {manifest.created_at}, which is"
    if manifest.state is RunState.FINISHED:
        return BulkRefused(f"{holds} finished. Give another folder after --out.")
    return BulkRefused(
        f"{holds} not finished. Go on with it by --resume, or give another folder after --out."
    )


def _resume(folder: ResultsFolder, manifest: Manifest, plan: RunPlan, *, resume: bool) -> Run:
    if not resume:
        raise _refuse_second(folder.shown, manifest)
    require_same_plan(manifest, plan, folder.shown)
    run = Run(folder, manifest)
    if run.is_listed:
        run.load()
    return run
