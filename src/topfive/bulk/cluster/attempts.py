"""How often each shard was begun, so that a picture that kills its process is found and left out.

A decoder or engine that crashes takes its process with it, and no code there can say at which
picture. So somebody else keeps count: from the second time on that a shard is begun, its actor
says at which picture it is before it looks at it.
"""

from collections import Counter
from dataclasses import dataclass, field

# So often processes ended at the same picture, after one that did not say where it was: three in
# all, which among the pictures of a shard is no chance any more.
MOST_ENDS = 2


@dataclass(slots=True)
class _Begun:
    """A shard that is not finished: how often it was begun, and where its processes ended."""

    times: int = 0
    at: int | None = None
    ends: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an actor must know that begins a shard: whether to say where it is, and what to skip."""

    is_watched: bool
    left_out: frozenset[int]


class Attempts:
    """Keeps count for all actors; only shards at work take memory."""

    def __init__(self) -> None:
        self._begun: dict[int, _Begun] = {}
        self._left_out = 0

    def begin(self, shard: int) -> Attempt:
        """Note that an actor begins a shard, and where the one before it ended."""
        one = self._begun.setdefault(shard, _Begun())
        one.times += 1
        if one.at is not None:
            one.ends[one.at] += 1
            self._left_out += one.ends[one.at] == MOST_ENDS
            one.at = None
        left_out = frozenset(place for place, ends in one.ends.items() if ends >= MOST_ENDS)
        return Attempt(is_watched=one.times > 1, left_out=left_out)

    def reach(self, shard: int, place: int) -> None:
        """Note at which picture of the shard its actor is now, from 0 on."""
        self._begun.setdefault(shard, _Begun()).at = place

    def finish(self, shard: int) -> None:
        """Forget a shard that is finished, or that nobody is at work on any more."""
        self._begun.pop(shard, None)

    def count_left_out(self) -> int:
        """Tell of how many pictures it was found that they end their process."""
        return self._left_out
