"""What is known of finished shards, in many small files that are never changed.

A file for each flush, in folders of a hundred; a full folder is written once more as one file, so
that whoever goes on with a run reads about a hundredth of them:
`_topfive/finished/000012/000034.ndjson` and `_topfive/finished/blocks/000012.ndjson`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import TypeAdapter

from topfive.bulk.results.contract import RUN_FOLDER, ResultsFolder
from topfive.bulk.results.rows import ShardOutcome
from topfive.errors import BulkStopped

SEGMENT_VERSION = 1
SEGMENTS_IN_BLOCK = 100
_ROOT = f"{RUN_FOLDER}/finished"
_BLOCKS = f"{_ROOT}/blocks"
_OUTCOME = TypeAdapter(ShardOutcome)
_READ_AT_ONCE = 16
_NUMBERED = re.compile(r".*/(\d{6,})\.ndjson")


def encode_segment(run_id: str, driver: str, outcomes: Sequence[ShardOutcome]) -> bytes:
    """Write outcomes as lines of JSON below a line that says whose they are, with their SHA-256."""
    lines = b"".join(_OUTCOME.dump_json(one) + b"\n" for one in outcomes)
    head = {
        "format_version": SEGMENT_VERSION,
        "run_id": run_id,
        "driver": driver,
        "sha256": hashlib.sha256(lines).hexdigest(),
    }
    return json.dumps(head).encode() + b"\n" + lines


def decode_segment(content: bytes, run_id: str) -> list[ShardOutcome]:
    """Read outcomes; raises ValueError if they are cut short, altered or of another run."""
    head, _, lines = content.partition(b"\n")
    told = json.loads(head)
    if not isinstance(told, dict) or told.get("format_version") != SEGMENT_VERSION:
        raise ValueError("it is no list of finished shards that this version reads")
    if told.get("run_id") != run_id:
        raise ValueError("it is of another run")
    if told.get("sha256") != hashlib.sha256(lines).hexdigest():
        raise ValueError("it is cut short or altered")
    return [_OUTCOME.validate_json(line) for line in lines.splitlines()]


def read_outcomes(folder: ResultsFolder, run_id: str) -> Iterator[ShardOutcome]:
    """Read what is finished of a run, which may still be at work; nothing is written.

    Of a shard that is told of twice the later one counts.
    """
    return SegmentLog(folder, run_id, driver="").read()


class SegmentLog:
    """The segments of a run, which one driver at a time adds to; without a name it only reads."""

    def __init__(self, folder: ResultsFolder, run_id: str, driver: str) -> None:
        self.damaged: list[str] = []
        self._folder = folder
        self._run_id = run_id
        self._driver = driver
        self._next = 0
        self._block: list[ShardOutcome] = []

    def read(self) -> Iterator[ShardOutcome]:
        """Read all outcomes, oldest first: of a shard that is told of twice the later one counts.

        A segment that is damaged or of another run is left out, and its name is in `damaged`
        then: what it told of is done again, or found by its files. What is appended comes last.
        """
        blocks = {_number(name): name for name in self._names(_BLOCKS)}
        closed = max(blocks, default=-1) + 1
        wanted = [blocks.get(block, "") for block in range(closed)]
        for block, outcomes in enumerate(self._read_all(wanted)):
            yield from self._read_singles(block) if outcomes is None else outcomes
        yield from self._read_open(closed)

    def append(self, outcomes: Sequence[ShardOutcome]) -> None:
        """Write outcomes as one more segment; raises BulkStopped if another driver has done so."""
        name = _single(self._next)
        content = encode_segment(self._run_id, self._driver, outcomes)
        try:
            self._folder.create(name, content)
        except FileExistsError:
            self._require_ours(name, content)
        self._next += 1
        self._block.extend(outcomes)
        self._close_block()

    def _require_ours(self, name: str, content: bytes) -> None:
        """Accept a file that a repeated request of ours has made."""
        if self._folder.read(name) != content:
            raise BulkStopped(
                f"Another `topfive bulk` is at work in {self._folder.shown}: end one of the two. "
                "What is finished is kept; go on with --resume."
            )

    def _close_block(self) -> None:
        if self._next % SEGMENTS_IN_BLOCK or not self._driver:
            return
        name = f"{_BLOCKS}/{self._next // SEGMENTS_IN_BLOCK - 1:06d}.ndjson"
        self._folder.write(name, encode_segment(self._run_id, self._driver, self._block))
        self._block = []

    def _read_open(self, block: int) -> Iterator[ShardOutcome]:
        """Read the segments that are in no block yet."""
        self._next = block * SEGMENTS_IN_BLOCK
        while names := self._singles(block):
            self._block = list(self._read_names(names))
            self._next = block * SEGMENTS_IN_BLOCK + _number(names[-1]) + 1
            yield from self._block
            self._close_block()
            block += 1

    def _read_singles(self, block: int) -> Iterator[ShardOutcome]:
        return self._read_names(self._singles(block))

    def _singles(self, block: int) -> list[str]:
        return self._names(f"{_ROOT}/{block:06d}")

    def _names(self, folder: str) -> list[str]:
        listed = (one.name for one in self._folder.list(f"{folder}/"))
        return sorted((name for name in listed if _number(name) >= 0), key=_number)

    def _read_names(self, names: Sequence[str]) -> Iterator[ShardOutcome]:
        for outcomes in self._read_all(names):
            yield from outcomes or ()

    def _read_all(self, names: Sequence[str]) -> Iterator[list[ShardOutcome] | None]:
        """Read segments in their order, some at a time side by side: a bucket answers slowly."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            for start in range(0, len(names), _READ_AT_ONCE):
                yield from pool.map(self._read_one, names[start : start + _READ_AT_ONCE])

    def _read_one(self, name: str) -> list[ShardOutcome] | None:
        if not name:
            return None
        try:
            return decode_segment(self._folder.read(name), self._run_id)
        except (FileNotFoundError, ValueError):
            self.damaged.append(name)
            return None


def _single(segment: int) -> str:
    block, place = divmod(segment, SEGMENTS_IN_BLOCK)
    return f"{_ROOT}/{block:06d}/{place:06d}.ndjson"


def _number(name: str) -> int:
    """Tell the number that a segment or block is named by; -1 for any other file."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else -1
