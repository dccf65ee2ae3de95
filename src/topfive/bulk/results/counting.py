"""A run's results counted: whether every picture is there, and once."""

from dataclasses import dataclass, field

from topfive.bulk.results.adoption import check_part, expected_pictures
from topfive.bulk.results.contract import RUN_FOLDER, ResultsFolder
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import Manifest
from topfive.bulk.results.parts import part_name, part_number, read_indexes
from topfive.bulk.results.segments import SegmentLog

_DIGEST_BYTES = 32


@dataclass(slots=True)
class Count:
    """What was counted, and what is wrong.

    `missing` are shards without a file, `wrong` files with what is wrong with each, `others` files
    among the results that are of no shard.
    """

    expected: int
    pictures: int = 0
    files: int = 0
    missing: list[int] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every picture of the run's list is in the results, once, and nothing else."""
        return self.pictures == self.expected and not (self.missing or self.wrong or self.others)


def count_pictures(folder: ResultsFolder, manifest: Manifest) -> Count:
    """Read all result files, and count their pictures.

    Of Parquet, answers are held against the digests that were noted when they were written. Raises
    as the folder does.
    """
    shards = manifest.input.shards or 0
    count = Count(manifest.input.pictures or 0)
    there = _find_files(folder, manifest, shards, count)
    digests = _noted_digests(folder, manifest, shards)
    for shard in range(shards):
        if not there[shard]:
            count.missing.append(shard)
            continue
        name = part_name(shard, manifest.format)
        noted = bytes(digests[shard * _DIGEST_BYTES : (shard + 1) * _DIGEST_BYTES])
        count.files += 1
        try:
            count.pictures += _count_file(folder.read(name), manifest, shard, noted)
        except FileNotFoundError:
            count.wrong[name] = "it has gone"
        except ValueError as error:
            count.wrong[name] = str(error)
    return count


def _find_files(folder: ResultsFolder, manifest: Manifest, shards: int, count: Count) -> bytearray:
    """Tell which shards have a file."""
    there = bytearray(shards)
    for one in folder.scan([""]):
        shard = part_number(one.name, manifest.format)
        if shard is not None and shard < shards:
            there[shard] = True
        elif not one.name.startswith(f"{RUN_FOLDER}/"):
            count.others.append(one.name)
    return there


def _noted_digests(folder: ResultsFolder, manifest: Manifest, shards: int) -> bytearray:
    digests = bytearray(shards * _DIGEST_BYTES)
    for outcome in SegmentLog(folder, manifest.run_id, "").read():
        start = outcome.shard * _DIGEST_BYTES
        digests[start : start + _DIGEST_BYTES] = bytes.fromhex(outcome.answers_sha256)
    return digests


def _count_file(content: bytes, manifest: Manifest, shard: int, noted: bytes) -> int:
    """Count a file's pictures; raises ValueError if they are not those of the shard."""
    if manifest.format is ResultFormat.PARQUET:
        outcome = check_part(content, manifest, shard)
        if any(noted) and bytes.fromhex(outcome.answers_sha256) != noted:
            raise ValueError("its answers are not those that were noted")
        return outcome.pictures
    indexes = read_indexes(content, manifest.format)
    if indexes != list(expected_pictures(manifest, shard)):
        raise ValueError("it has other pictures than the shard")
    return len(indexes)
