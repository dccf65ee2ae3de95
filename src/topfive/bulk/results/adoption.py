"""Result files held against what the manifest says of them."""

from dataclasses import dataclass, field

from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.finished import FinishedShards
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import Manifest
from topfive.bulk.results.parts import PART_PREFIX, part_name, part_number, read_part
from topfive.bulk.results.rows import ShardOutcome

# Names that differ in their last three digits: one page of a bucket's list.
_GROUP = 1000
# What is done is near what is finished: a file that is farther away is written again.
_LOOK_AHEAD = 2 * _GROUP


@dataclass(slots=True)
class FilesFound:
    """What the result files tell that the manifest does not.

    `adopted` are whole files of shards it does not know as finished, `lost` finished shards whose
    file has gone or has another size, `refused` files that are damaged or of another run.
    """

    adopted: list[ShardOutcome] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def compare_files(
    folder: ResultsFolder, manifest: Manifest, finished: FinishedShards
) -> FilesFound:
    """Hold all result files against the finished shards.

    Files of shards that are unknown as finished are read and checked: one is adopted if it is of
    this run and shard, has as many pictures as it should, and holds the answers that were written.
    NDJSON and CSV do not say of which run they are, and are never adopted.
    """
    found = FilesFound()
    shards = min(manifest.input.shards or 0, finished.highest() + 1 + _LOOK_AHEAD)
    seen = bytearray(shards)
    prefixes = [f"{PART_PREFIX}{first // _GROUP:03d}" for first in range(0, shards, _GROUP)]
    for one in folder.scan(prefixes):
        shard = part_number(one.name, manifest.format)
        if shard is None or shard >= shards:
            continue
        if shard in finished:
            seen[shard] = one.size_bytes == finished.file_bytes(shard)
        else:
            _adopt(folder, manifest, shard, found)
    found.lost.extend(one for one in finished if one >= shards or not seen[one])
    return found


def expected_pictures(manifest: Manifest, shard: int) -> range:
    """Tell which pictures, by their indexes, a shard has."""
    first = shard * manifest.shard_pictures
    return range(first, min(first + manifest.shard_pictures, manifest.input.pictures or 0))


def _adopt(folder: ResultsFolder, manifest: Manifest, shard: int, found: FilesFound) -> None:
    if manifest.format is not ResultFormat.PARQUET:
        return
    name = part_name(shard, manifest.format)
    try:
        found.adopted.append(check_part(folder.read(name), manifest, shard))
    except (FileNotFoundError, ValueError):
        found.refused.append(name)


def check_part(content: bytes, manifest: Manifest, shard: int) -> ShardOutcome:
    """Tell what a Parquet file says of its shard.

    Raises ValueError if it is not the file of this run and shard, whole and as it was written.
    """
    part = read_part(content)
    if (part.run_id, part.outcome.shard) != (manifest.run_id, shard):
        raise ValueError("it is of another run or shard")
    if [row.index for row in part.rows] != list(expected_pictures(manifest, shard)):
        raise ValueError("it has other pictures than the shard")
    return part.outcome
