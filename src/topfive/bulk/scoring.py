"""One shard's pictures, read ahead and classified one after the other, as the API does it."""

import hashlib
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Protocol

from topfive.bulk.inputs.entries import Entry, Shard
from topfive.bulk.inputs.names import show_name
from topfive.bulk.inputs.reading import Reader, Unreadable
from topfive.bulk.results.rows import ReadTimings, ResultRow
from topfive.classify.classifier import Classification
from topfive.errors import Failure, InternalError, OutOfMemory
from topfive.images.limits import ImageLimits
from topfive.images.sniff import SniffedPicture, sniff

# As the API answers, unless it is asked for another number.
TOP_K = 5
# The one word that is not the API's: over HTTP there are no files. `topfive classify` has it too.
UNREADABLE = "unreadable_file"
# Why a picture is left out that ends the process of whoever classifies it.
LEFT_OUT = "The process that classified it ended several times at this picture, which was left out."
# One picture may be beyond what was foreseen, but not so many in turn.
_MOST_UNFORESEEN = 20
_READERS = 4
# At most so many pictures are in memory, each of them no larger than the limit allows.
_READ_AHEAD = 8


class Classifies(Protocol):
    """What is needed of a classifier."""

    def classify(self, upload: SniffedPicture, top_k: int, /) -> Classification:
        """Tell the best classes of a picture; raises a Failure."""


@dataclass(frozen=True, slots=True)
class _ReadPicture:
    """A picture's bytes, or why there are none."""

    data: bytes = b""
    unreadable: str = ""
    left_out: str = ""
    read_ms: float = 0.0


def score_shard(
    classifier: Classifies,
    limits: ImageLimits,
    reader: Reader,
    shard: Shard,
    before: Callable[[int], str] | None = None,
) -> Iterator[ResultRow]:
    """Classify a shard's pictures in their order; a bad one is a row with its failure's code.

    `before` is told each picture's place in the shard just before anything is done with it; a
    sentence that it answers with is why the picture is left out, which makes it an
    `internal_error`. With it pictures are not read ahead: whatever happens, it is at that one.
    """
    pictures = (
        _read_ahead(reader, shard.entries)
        if before is None
        else _read_watched(reader, shard.entries, before)
    )
    for place, (entry, picture) in enumerate(pictures):
        row = ResultRow(
            shard.first_index + place,
            show_name(entry.name),
            timings=ReadTimings(read_ms=picture.read_ms),
        )
        if picture.left_out:
            yield replace(row, error=InternalError.code, detail=picture.left_out)
        elif picture.unreadable:
            yield replace(row, error=UNREADABLE, detail=picture.unreadable)
        else:
            yield _score(classifier, limits, picture.data, row)


def _score(classifier: Classifies, limits: ImageLimits, data: bytes, row: ResultRow) -> ResultRow:
    if len(data) <= limits.max_bytes:
        row = replace(row, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    try:
        found = classifier.classify(sniff(data, limits), TOP_K)
    except Failure as failure:
        return replace(row, error=failure.code, detail=failure.detail)
    except MemoryError:
        return replace(row, error=OutOfMemory.code, detail=OutOfMemory.title)
    except Exception as error:  # noqa: BLE001 - a worker's loop: one picture must not end the run
        return replace(row, error=InternalError.code, detail=describe_unforeseen(error))
    timings = ReadTimings(
        row.timings.read_ms, found.decode_ms, found.preprocess_ms, found.inference_ms
    )
    return replace(row, image=found.image, classes=found.classes, timings=timings)


def _read_ahead(reader: Reader, entries: Iterable[Entry]) -> Iterator[tuple[Entry, _ReadPicture]]:
    """Read pictures in their order, the next of them while the last is worked on."""
    waiting: deque[tuple[Entry, Future[_ReadPicture]]] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        for entry in entries:
            waiting.append((entry, pool.submit(_read, reader, entry)))
            if len(waiting) >= _READ_AHEAD:
                first, reading = waiting.popleft()
                yield first, reading.result()
        while waiting:
            first, reading = waiting.popleft()
            yield first, reading.result()


def _read_watched(
    reader: Reader, entries: Iterable[Entry], before: Callable[[int], str]
) -> Iterator[tuple[Entry, _ReadPicture]]:
    """Read each picture when it is its turn, unless there is a reason not to."""
    for place, entry in enumerate(entries):
        reason = before(place)
        yield entry, _ReadPicture(left_out=reason) if reason else _read(reader, entry)


def _read(reader: Reader, entry: Entry) -> _ReadPicture:
    started = perf_counter()
    try:
        picture = _ReadPicture(reader.read(entry))
    except Unreadable as error:
        picture = _ReadPicture(unreadable=error.detail)
    except Exception as error:  # noqa: BLE001 - as in `_score`
        picture = _ReadPicture(left_out=describe_unforeseen(error))
    return replace(picture, read_ms=(perf_counter() - started) * 1000)


def describe_unforeseen(error: Exception) -> str:
    """Tell of what kind an error is and where it was raised, and nothing of what it says."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"topfive itself went wrong: {type(error).__name__} in {place.name}, line {place.lineno} "
        f"of {Path(place.filename).name}."
    )


def is_broken(rows: Iterable[ResultRow]) -> bool:
    """Tell whether topfive itself went wrong at so many pictures in turn that it is no chance.

    An engine that has failed once may fail for ever: what it says is no result.
    """
    in_turn = 0
    for row in rows:
        is_unforeseen = row.error == InternalError.code and row.detail != LEFT_OUT
        in_turn = in_turn + 1 if is_unforeseen else 0
        if in_turn >= _MOST_UNFORESEEN:
            return True
    return False
