"""Runs as `topfive bulk` leaves them, with hostile names, failures, two nodes and a pause."""

import random
from collections.abc import Iterable
from pathlib import Path

from topfive.bulk.inputs.entries import divide
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import RunModel, RunPlan
from topfive.bulk.results.parts import ShardWork, write_part
from topfive.bulk.results.rows import ReadTimings, ResultRow
from topfive.bulk.results.run import Run, begin_run
from topfive.predictions import ClassScore, ImageInfo, ModelRef

HOSTILE_NAMES = (
    "photos/<script>alert(1)</script>.jpg",
    "photos/line\nbreak.jpg",
    "photos/\u202egpj.exe",
    "photos/" + "long" * 100 + ".jpg",
    "photos/日本語-😀.jpg",
    r"photos/\xff\xfe.jpg",
    "photos/&lt;\"'$\\frac{1}$.jpg",
)
HOSTILE_CLASS = "<b>$\\frac{1}$</b>"
CLASSES = (HOSTILE_CLASS, "tabby", "zebra", "grüne Ente", "=1+1", "shoji", "pier")
FAILURES = (
    ("invalid_image", "The JPEG file is damaged or cut off."),
    ("unreadable_file", "No such file or directory."),
    ("unsupported_format", "This is a PDF file."),
)
PAUSE_S = 4000.0
_MODEL = RunModel("tiny", "1.0.0", "ab" * 32, "openvino", "f32")
_BEGAN_AT = 1_795_000_000.0
_PICTURE_S = 0.01


def make_rows(pictures: int) -> list[ResultRow]:
    """Make rows, the same each time; about one in ten has no classes."""
    drawn = random.Random(1)
    return [_row(index, drawn) for index in range(pictures)]


def make_run(
    place: Path | str,
    rows: Iterable[ResultRow],
    format: str = "parquet",
    finished: int | None = None,
) -> Run:
    """Make a run of shards of fifty pictures on two nodes, and stop after some of them, or none.

    The first half and the second are an hour apart.
    """
    run = begin_run(open_results(str(place)), _plan(format))
    shards = list(divide(rows, 50))  # type: ignore[arg-type]
    run.listed(sum(len(one.entries) for one in shards), len(shards), "cd" * 32)
    for shard in shards[:finished]:
        late = PAUSE_S if shard.number >= len(shards) / 2 else 0.0
        began_at = _BEGAN_AT + late + shard.number // 2 * 50 * _PICTURE_S
        work = ShardWork(began_at, 50 * _PICTURE_S, f"10.0.0.{shard.number % 2 + 1}")
        part = write_part(
            run.folder, format, run.manifest.run_id, shard, shard.entries,  # type: ignore[arg-type]
            ModelRef(_MODEL.name, _MODEL.version), work,
        )  # fmt: skip
        run.note(part.outcome)
    if finished is None:
        run.finish()
    else:
        run.stop("No space left on device.")
    return run


def _plan(format: str) -> RunPlan:
    limits = {"max_bytes": 10_485_760, "max_pixels": 25_000_000}
    return RunPlan("photos/<b>", "directory", _MODEL, ResultFormat(format), 50, limits)


def _row(index: int, drawn: random.Random) -> ResultRow:
    path = HOSTILE_NAMES[index] if index < len(HOSTILE_NAMES) else f"photos/{index}.jpg"
    read_ms = round(drawn.uniform(0.1, 1), 2)
    if index >= len(HOSTILE_NAMES) and drawn.random() < 0.1:
        code, detail = drawn.choice(FAILURES)
        size_bytes = -1 if code == "unreadable_file" else 1000
        return ResultRow(
            index, path, size_bytes, error=code, detail=detail, timings=ReadTimings(read_ms)
        )
    chosen = drawn.sample(range(len(CLASSES)), 5)
    confidence = round(drawn.uniform(0.2, 1), 6)
    classes = tuple(
        ClassScore(one, CLASSES[one], confidence / (n + 1)) for n, one in enumerate(chosen)
    )
    image = ImageInfo(drawn.choice(["JPEG", "PNG"]), drawn.randint(100, 4000), 500)
    timings = ReadTimings(read_ms, 2.5, 0.5, round(drawn.uniform(3, 6), 2))
    return ResultRow(index, path, 50_000 + index, "ef" * 32, image, classes, timings=timings)
