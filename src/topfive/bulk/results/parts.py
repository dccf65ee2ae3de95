"""The result file of a shard: its name, its content, and what it says of itself."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from topfive.bulk.inputs.entries import Shard
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.digest import answers_sha256
from topfive.bulk.results.formats import ResultFormat, parse_format
from topfive.bulk.results.parquet_file import decode_parquet, encode_parquet
from topfive.bulk.results.rows import ResultRow, ShardOutcome
from topfive.bulk.results.text_files import (
    csv_indexes,
    encode_csv,
    encode_ndjson,
    ndjson_indexes,
)
from topfive.predictions import ModelRef

PART_VERSION = 1
PART_PREFIX = "part-"
_PART = re.compile(r"part-(\d{6,})\.(parquet|ndjson|csv)")


@dataclass(frozen=True, slots=True)
class ShardWork:
    """Who worked on a shard, and when: seconds since 1970, UTC, and how many it took."""

    began_at: float = 0.0
    duration_s: float = 0.0
    node: str = ""


NO_WORK = ShardWork()


@dataclass(frozen=True, slots=True)
class PartFile:
    """A shard's file as it was written: its name, its size, and what the manifest keeps of it."""

    name: str
    bytes: int
    outcome: ShardOutcome


@dataclass(frozen=True, slots=True)
class ReadPart:
    """What a shard's Parquet file says of itself, and its rows."""

    run_id: str
    outcome: ShardOutcome
    rows: list[ResultRow]


def part_name(shard: int, format: str) -> str:
    """Name a shard's file: the same each time, so that a shard done twice is there once."""
    return f"{PART_PREFIX}{shard:06d}.{format}"


def part_number(name: str, format: str) -> int | None:
    """Tell of which shard a file is by its name; None of any other file."""
    found = _PART.fullmatch(name)
    if found is None or part_name(int(found[1]), format) != name:
        return None
    return int(found[1])


def write_part(
    folder: ResultsFolder,
    format: str,
    run_id: str,
    shard: Shard,
    rows: Sequence[ResultRow],
    model: ModelRef,
    work: ShardWork = NO_WORK,
) -> PartFile:
    """Write a shard's file, whole or not at all; raises as the folder does, or BulkRefused.

    A Parquet file holds the run's id, the shard and the digest of its answers, so that it is
    known for what it is where the manifest does not tell of it yet.
    """
    kind = parse_format(format)
    outcome = _outcome(shard.number, rows, work)
    content = _encode(kind, rows, model, _metadata(run_id, outcome))
    name = part_name(shard.number, kind)
    folder.write(name, content)
    return PartFile(name, len(content), replace(outcome, file_bytes=len(content)))


def read_part(content: bytes) -> ReadPart:
    """Read a Parquet file of a shard.

    Raises ValueError, with why in words, if it is damaged, altered or not such a file.
    """
    metadata, rows = decode_parquet(content)
    try:
        version, run_id, shard = metadata["format_version"], metadata["run_id"], metadata["shard"]
        work = ShardWork(**metadata["work"])
        digest = metadata["answers_sha256"]
    except (LookupError, TypeError) as error:
        raise ValueError("it does not say of which run it is") from error
    if version != PART_VERSION:
        raise ValueError("it is of another version of topfive")
    outcome = _outcome(shard, rows, work)
    if outcome.answers_sha256 != digest:
        raise ValueError("its answers are not those that were written")
    return ReadPart(run_id, replace(outcome, file_bytes=len(content)), rows)


def read_indexes(content: bytes, format: str) -> list[int]:
    """Tell which pictures a shard's file holds, in its order.

    Raises ValueError, with why in words, if the file is not whole.
    """
    kind = parse_format(format)
    if kind is ResultFormat.PARQUET:
        return [row.index for row in read_part(content).rows]
    return list(ndjson_indexes(content) if kind is ResultFormat.NDJSON else csv_indexes(content))


def _encode(
    kind: ResultFormat, rows: Sequence[ResultRow], model: ModelRef, metadata: dict[str, Any]
) -> bytes:
    if kind is ResultFormat.PARQUET:
        return encode_parquet(rows, model, metadata)
    return encode_ndjson(rows, model) if kind is ResultFormat.NDJSON else encode_csv(rows, model)


def _metadata(run_id: str, outcome: ShardOutcome) -> dict[str, Any]:
    return {
        "format_version": PART_VERSION,
        "run_id": run_id,
        "shard": outcome.shard,
        "answers_sha256": outcome.answers_sha256,
        "work": {
            "began_at": outcome.began_at,
            "duration_s": outcome.duration_s,
            "node": outcome.node,
        },
    }


def _outcome(shard: int, rows: Sequence[ResultRow], work: ShardWork) -> ShardOutcome:
    return ShardOutcome(
        shard=shard,
        pictures=len(rows),
        answers_sha256=answers_sha256(rows),
        file_bytes=0,
        read_bytes=sum(max(0, row.size_bytes) for row in rows),
        began_at=work.began_at,
        duration_s=work.duration_s,
        node=work.node,
        errors=dict(Counter(row.error for row in rows if row.error)),
    )
