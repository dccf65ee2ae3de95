"""How many actors a cluster has room for, and how that is told."""

from typing import Any

import pytest

from topfive.bulk.cluster.capacity import Wanted, read_capacity
from topfive.bulk.cluster.session import check_actors, own_cpus
from topfive.errors import BulkRefused


def node(port: int, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    """Make what Ray tells of a node."""
    return {
        "Alive": alive,
        "NodeManagerAddress": "10.0.0.1",
        "NodeManagerPort": port,
        "Resources": resources,
    }


NODES = [node(1, CPU=2.0), node(2, CPU=1.5, GPU=1.0), node(3, alive=False, CPU=64.0)]


def test_an_actor_needs_a_whole_cpu_of_one_node() -> None:
    """Halves of two nodes make none, and a node that has gone counts no more."""
    assert read_capacity(NODES).room(needs_gpu=False) == 3
    assert read_capacity(NODES).room(needs_gpu=True) == 1
    assert read_capacity([]).room(needs_gpu=False) == 0


def test_without_a_number_one_actor_is_enough_to_begin() -> None:
    """As many work as fit; with a number all of them must."""
    capacity = read_capacity(NODES)
    assert Wanted(None, needs_gpu=False).fits(capacity)
    assert Wanted(3, needs_gpu=False).fits(capacity)
    assert not Wanted(4, needs_gpu=False).fits(capacity)
    assert not Wanted(2, needs_gpu=True).fits(capacity)
    assert not Wanted(None, needs_gpu=False).fits(read_capacity([]))


def test_what_there_is_and_what_is_wanted_are_told() -> None:
    """Each node with its address, CPUs and GPUs."""
    told = "2 nodes (10.0.0.1:1: 2 CPUs; 10.0.0.1:2: 1.5 CPUs, 1 GPU)"
    assert read_capacity(NODES).describe() == told
    assert read_capacity([]).describe() == "no node"
    assert Wanted(1, needs_gpu=True).describe() == "1 GPU, one for each actor"
    assert Wanted(None, needs_gpu=False).describe() == "a node with a CPU"


def test_far_more_actors_than_cpus_are_refused_on_one_machine() -> None:
    """Each is a process with a model in it; a cluster is asked what it has."""
    check_actors(None, "")
    check_actors(own_cpus() * 8, "")
    check_actors(100_000, "10.0.0.1:6379")
    with pytest.raises(BulkRefused, match="Give at most"):
        check_actors(own_cpus() * 8 + 1, "")
