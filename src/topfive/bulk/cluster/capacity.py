"""How many actors a cluster has room for, and what to say where that is too few."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the nodes of a cluster have, by their addresses: CPUs and GPUs, used or not."""

    cpus: Mapping[str, float]
    gpus: Mapping[str, float]

    def room(self, *, needs_gpu: bool) -> int:
        """Tell how many actors fit, each with a whole CPU or GPU of one node."""
        return sum(int(count) for count in (self.gpus if needs_gpu else self.cpus).values())

    def describe(self) -> str:
        """Tell what there is, in words."""
        nodes = [
            f"{address}: {_count(cpus, 'CPU')}{_further(self.gpus.get(address, 0.0))}"
            for address, cpus in self.cpus.items()
        ]
        return f"{_count(len(nodes), 'node')} ({'; '.join(nodes)})" if nodes else "no node"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many actors are asked for, None for as many as fit; each with a GPU, or a CPU."""

    actors: int | None
    needs_gpu: bool

    def fits(self, capacity: Capacity) -> bool:
        """Tell whether a cluster has room for all of them, or for one if any number will do."""
        return capacity.room(needs_gpu=self.needs_gpu) >= (self.actors or 1)

    def describe(self) -> str:
        """Tell what is asked for, in words."""
        device = "GPU" if self.needs_gpu else "CPU"
        if self.actors is None:
            return f"a node with a {device}"
        return f"{_count(self.actors, device)}, one for each actor"


def read_capacity(nodes: Iterable[Mapping[str, Any]]) -> Capacity:
    """Add up what Ray tells of its nodes; those that have gone count no more."""
    cpus: dict[str, float] = {}
    gpus: dict[str, float] = {}
    for node in nodes:
        if not node["Alive"]:
            continue
        # Several nodes may be on one machine.
        address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        cpus[address] = node["Resources"].get("CPU", 0.0)
        gpus[address] = node["Resources"].get("GPU", 0.0)
    return Capacity(cpus, gpus)


def _count(number: float, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:g} {noun}s"


def _further(gpus: float) -> str:
    return f", {_count(gpus, 'GPU')}" if gpus else ""
