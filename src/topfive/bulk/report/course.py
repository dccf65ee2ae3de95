"""How fast the work went: over time, and by node."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topfive.bulk.results.rows import ShardOutcome

# A longer time without work, such as until a `--resume`, is left out.
_PAUSE_S = 30.0
_MOST_POINTS = 120
_FEWEST_POINTS = 12
_UNKNOWN = -1

Floats = npt.NDArray[np.float64]


class ShardSize(NamedTuple):
    """A shard, how many pictures it has, and how large its file is."""

    shard: int
    pictures: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class NodeWork:
    """What one node did: `busy_s` is how long, `work_s` that of its workers one after the other."""

    node: str
    shards: int
    pictures: int
    busy_s: float
    work_s: float

    @property
    def rate(self) -> float:
        """Pictures a second, while it was at work."""
        return self.pictures / self.busy_s if self.busy_s else 0.0

    @property
    def workers(self) -> float:
        """How many of its workers were busy on average."""
        return self.work_s / self.busy_s if self.busy_s else 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Pictures a second over the time at work: `rates[i]` from `edges_s[i]` to `edges_s[i + 1]`.

    `pauses_s` are where times without work were left out. `by_node` are the rates of each node.
    """

    edges_s: Floats
    rates: Floats
    by_node: dict[str, Floats]
    pauses_s: list[float]


class Course:
    """When shards were worked on, and where: about 40 bytes for each."""

    def __init__(self) -> None:
        self._began_s = array("d")
        self._duration_s = array("d")
        self._pictures = array("q")
        self._file_bytes = array("q")
        self._nodes = array("i")
        self._names: dict[str, int] = {}

    def add(self, outcome: ShardOutcome) -> None:
        """Take a shard in; what was told of it before counts no more."""
        missing = outcome.shard + 1 - len(self._nodes)
        if missing > 0:
            self._nodes.extend([_UNKNOWN] * missing)
            self._pictures.extend([0] * missing)
            self._file_bytes.extend([0] * missing)
            self._began_s.extend([0.0] * missing)
            self._duration_s.extend([0.0] * missing)
        self._nodes[outcome.shard] = self._names.setdefault(outcome.node, len(self._names))
        self._pictures[outcome.shard] = outcome.pictures
        self._file_bytes[outcome.shard] = outcome.file_bytes
        self._began_s[outcome.shard] = outcome.began_at
        self._duration_s[outcome.shard] = outcome.duration_s

    def __len__(self) -> int:
        return len(self._nodes) - self._nodes.count(_UNKNOWN)

    def shards(self) -> Iterator[ShardSize]:
        """Go through the shards that are told of, in their order."""
        for shard, node in enumerate(self._nodes):
            if node != _UNKNOWN:
                yield ShardSize(shard, self._pictures[shard], self._file_bytes[shard])

    @property
    def busy_s(self) -> float:
        """How long there was work: times without any are left out."""
        begins, ends = _join(*self._times())
        return float((ends - begins).sum())

    def by_node(self) -> list[NodeWork]:
        """Tell what each node did, the one with the most pictures first."""
        nodes, pictures = np.asarray(self._nodes), np.asarray(self._pictures)
        begins, ends = self._times()
        works = [
            _work(name, pictures[chosen], begins[chosen], ends[chosen])
            for name, place in self._names.items()
            if (chosen := nodes == place).any()
        ]
        return sorted(works, key=lambda one: (-one.pictures, one.node))

    def timeline(self, nodes: list[str]) -> Timeline:
        """Tell how fast it went over time, as a whole and on the nodes that are named.

        A shard's pictures count evenly over the time that it took.
        """
        known = np.asarray(self._nodes) != _UNKNOWN
        begins, ends = (one[known] for one in self._times())
        begins, ends, pauses = _without_pauses(begins, ends)
        pictures = np.asarray(self._pictures)[known]
        where = np.asarray(self._nodes)[known]
        edges = np.linspace(0, float(ends.max(initial=1e-3)), _points(len(begins)) + 1)
        chosen = {name: where == self._names[name] for name in nodes}
        by_node = {
            name: _rates(edges, begins[at], ends[at], pictures[at]) for name, at in chosen.items()
        }
        return Timeline(edges, _rates(edges, begins, ends, pictures), by_node, pauses)

    def _times(self) -> tuple[Floats, Floats]:
        begins = np.asarray(self._began_s)
        return begins, begins + np.asarray(self._duration_s)


def _work(node: str, pictures: npt.NDArray[np.int64], begins: Floats, ends: Floats) -> NodeWork:
    from_, to = _join(begins, ends)
    return NodeWork(
        node=node,
        shards=len(pictures),
        pictures=int(pictures.sum()),
        busy_s=float((to - from_).sum()),
        work_s=float((ends - begins).sum()),
    )


def _join(begins: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Join times that touch each other; gives back when each of those began and ended."""
    if not len(begins):
        return begins, ends
    order = np.argsort(begins)
    begins, reached = begins[order], np.maximum.accumulate(ends[order])
    starts = np.concatenate(([True], begins[1:] > reached[:-1]))
    last = np.concatenate((starts[1:], [True]))
    return begins[starts], reached[last]


def _without_pauses(begins: Floats, ends: Floats) -> tuple[Floats, Floats, list[float]]:
    """Count times from the first on, long ones without work left out; and where those were."""
    joined_begins, joined_ends = _join(begins, ends)
    gaps = joined_begins[1:] - joined_ends[:-1]
    left_out = np.where(gaps > _PAUSE_S, gaps, 0.0)
    start = joined_begins[0] if len(joined_begins) else 0.0
    skipped = start + np.concatenate(([0.0], np.cumsum(left_out)))
    places = np.searchsorted(joined_begins, begins, side="right") - 1
    pauses = (joined_begins[1:] - skipped[1:])[left_out > 0]
    offset = skipped[places]
    return begins - offset, ends - offset, [float(one) for one in pauses]


def _points(shards: int) -> int:
    """Choose into how many parts the time is divided: more than there is work would be noise."""
    return min(_MOST_POINTS, max(_FEWEST_POINTS, shards // 4))


def _rates(edges: Floats, begins: Floats, ends: Floats, pictures: npt.NDArray[np.int64]) -> Floats:
    """Tell how many pictures a second there were between each two edges."""
    lengths = np.maximum(ends - begins, 1e-6)
    done = [float((pictures * np.clip((at - begins) / lengths, 0, 1)).sum()) for at in edges]
    return np.diff(done) / np.diff(edges)
