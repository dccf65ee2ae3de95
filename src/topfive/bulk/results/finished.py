"""Which shards are finished, and what they come to: some bytes for each, however many there are."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from topfive.bulk.results.rows import ShardOutcome

_UNFINISHED = -1


@dataclass(frozen=True, slots=True)
class Totals:
    """What finished shards come to; `duration_s` is that of all work, one after the other.

    `errors` counts pictures by their failure's code.
    """

    shards: int = 0
    pictures: int = 0
    file_bytes: int = 0
    read_bytes: int = 0
    duration_s: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)


class FinishedShards:
    """The finished shards of a run: about 40 bytes for each.

    It can be asked whether it holds a shard, and how many there are.
    """

    def __init__(self) -> None:
        self._pictures = array("i")
        self._file_bytes = array("q")
        self._read_bytes = array("q")
        self._duration_s = array("d")
        # Shards with the same errors share one entry: most have none.
        self._errors = array("i")
        self._kinds: dict[tuple[tuple[str, int], ...], int] = {}
        self._count = 0

    def __contains__(self, shard: object) -> bool:
        return (
            isinstance(shard, int)
            and 0 <= shard < len(self._pictures)
            and self._pictures[shard] != _UNFINISHED
        )

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return (shard for shard in range(len(self._pictures)) if shard in self)

    def add(self, outcome: ShardOutcome) -> None:
        """Take a shard in; what was known of it before counts no more."""
        self._reach(outcome.shard)
        self._count += outcome.shard not in self
        kind = tuple(sorted(outcome.errors.items()))
        self._pictures[outcome.shard] = outcome.pictures
        self._file_bytes[outcome.shard] = outcome.file_bytes
        self._read_bytes[outcome.shard] = outcome.read_bytes
        self._duration_s[outcome.shard] = outcome.duration_s
        self._errors[outcome.shard] = self._kinds.setdefault(kind, len(self._kinds))

    def remove(self, shard: int) -> None:
        """Forget a shard: it is to be done again."""
        if shard in self:
            self._pictures[shard] = _UNFINISHED
            self._count -= 1

    def file_bytes(self, shard: int) -> int:
        """Tell the size of a finished shard's file."""
        return self._file_bytes[shard]

    def unfinished(self, shards: int) -> Iterator[int]:
        """Go through those of the shards 0 to `shards` - 1 that are to be done."""
        return (shard for shard in range(shards) if shard not in self)

    def highest(self) -> int:
        """Tell the highest finished shard; -1 without one."""
        known = range(len(self._pictures) - 1, -1, -1)
        return next((shard for shard in known if shard in self), -1)

    def totals(self) -> Totals:
        """Tell what all finished shards come to."""
        kinds = list(self._kinds)
        errors: Counter[str] = Counter()
        for kind, times in Counter(self._errors[shard] for shard in self).items():
            for code, pictures in kinds[kind]:
                errors[code] += pictures * times
        return Totals(
            shards=len(self),
            pictures=sum(self._pictures[shard] for shard in self),
            file_bytes=sum(self._file_bytes[shard] for shard in self),
            read_bytes=sum(self._read_bytes[shard] for shard in self),
            duration_s=round(sum(self._duration_s[shard] for shard in self), 3),
            errors=dict(sorted(errors.items())),
        )

    def _reach(self, shard: int) -> None:
        missing = shard + 1 - len(self._pictures)
        if missing > 0:
            self._pictures.extend([_UNFINISHED] * missing)
            self._duration_s.extend([0.0] * missing)
            for column in (self._file_bytes, self._read_bytes, self._errors):
                column.extend([0] * missing)
