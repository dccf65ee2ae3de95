"""Rows, shards and runs that tests of results are made of."""

from pathlib import Path

from topfive.bulk.inputs.entries import Entry, Shard
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import RunModel, RunPlan
from topfive.bulk.results.parts import PartFile, ShardWork, write_part
from topfive.bulk.results.rows import ReadTimings, ResultRow, ShardOutcome
from topfive.bulk.results.run import Run
from topfive.predictions import ClassScore, ImageInfo, ModelRef

MODEL = RunModel("tiny", "1", "ab" * 32, "openvino", "f32")
REF = ModelRef("tiny", "1")
SHARD_PICTURES = 4
WORK = ShardWork(1_700_000_000.5, 1.25, "node-1")


def make_plan(**changes: object) -> RunPlan:
    """Make the plan of a run of shards of four pictures."""
    plan = {"source": "photos", "kind": "directory", "model": MODEL, "limits": {"max_bytes": 10}}
    return RunPlan(**{**plan, "shard_pictures": SHARD_PICTURES, **changes})  # type: ignore[arg-type]


def make_row(index: int, path: str | None = None) -> ResultRow:
    """Make the row of a picture; every fourth could not be classified."""
    name = path or f"photos/{index}.jpg"
    if index % 4 == 3:
        return ResultRow(index, name, 7, error="invalid_image", detail="It cannot be decoded.")
    classes = tuple(ClassScore(one, f"class {one}", 0.5 / (one + 1)) for one in range(5))
    image = ImageInfo("JPEG", 500, 375)
    timings = ReadTimings(0.5, 1.25, 0.75, 2.5)
    return ResultRow(index, name, 1000 + index, f"{index:064x}", image, classes, timings=timings)


def make_shard(number: int, pictures: int = SHARD_PICTURES) -> Shard:
    """Make a shard, the last of which may have fewer pictures."""
    first = number * SHARD_PICTURES
    entries = tuple(Entry(f"photos/{first + one}.jpg".encode()) for one in range(pictures))
    return Shard(number, first, entries)


def make_rows(shard: Shard) -> list[ResultRow]:
    """Make the rows of a shard."""
    return [make_row(shard.first_index + place) for place in range(len(shard.entries))]


def make_outcome(shard: int, **changes: object) -> ShardOutcome:
    """Make what became of a shard."""
    told = {
        "shard": shard,
        "pictures": SHARD_PICTURES,
        "answers_sha256": "cd" * 32,
        "file_bytes": 100,
        "read_bytes": 1000,
        "began_at": 1.0,
        "duration_s": 0.5,
        "node": "here",
        "errors": {},
    }
    return ShardOutcome(**(told | changes))  # type: ignore[arg-type]


def write_shard(run: Run, number: int, pictures: int = SHARD_PICTURES) -> PartFile:
    """Write the file of a shard as an actor does, and note nothing."""
    shard = make_shard(number, pictures)
    kind: ResultFormat = run.manifest.format
    return write_part(run.folder, kind, run.manifest.run_id, shard, make_rows(shard), REF, WORK)


def results_in(path: Path) -> ResultsFolder:
    """Open the folder `results` in a directory."""
    return open_results(str(path / "results"))
