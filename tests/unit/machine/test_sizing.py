"""From CPUs and memory to workers and slots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.machine.probe import Machine
from topfive.machine.sizing import (
    LEAST_DECODING_BYTES,
    MEMORY_SHARE,
    WORKER_BYTES,
    SizingOptions,
    plan_sizing,
)

GIB = 1 << 30
FREE = SizingOptions()


def _machine(cpus: int, memory_bytes: int, quota: float | None = None) -> Machine:
    return Machine(cpus, quota, memory_bytes, None, "a CPU", frozenset())


@pytest.mark.parametrize(
    ("cpus", "quota", "memory_gib", "workers", "slots"),
    [
        (1, None, 1, 1, 1),
        (1, None, 8, 1, 1),
        (2, None, 4, 2, 1),
        (4, None, 8, 2, 2),
        (8, None, 16, 2, 4),
        (16, None, 32, 4, 4),
        (64, None, 128, 16, 4),
        (9, None, 64, 3, 3),
        (64, 2.0, 128, 2, 1),
        (64, 0.5, 128, 1, 1),
        (64, 1.5, 128, 2, 1),
        (4, None, 1, 1, 4),
        (2, None, 1, 1, 2),
        (2, None, 0.25, 1, 2),
    ],
)
def test_workers_and_slots_suit_the_machine(cpus, quota, memory_gib, workers, slots):
    """Two workers from two CPUs on, which share the CPUs; fewer where memory is short."""
    found = plan_sizing(_machine(cpus, int(memory_gib * GIB), quota), FREE)
    assert (found.workers, found.slots) == (workers, slots)
    assert found.queue == 32 * slots
    assert found.threads == 2 * slots + 22


def test_a_cache_takes_its_memory_from_all_workers():
    """What is left is shared out as if the machine had so much less, and it is told."""
    with_cache = plan_sizing(_machine(2, 4 * GIB), SizingOptions(cache_bytes=GIB // 2))
    without = plan_sizing(_machine(2, 4 * GIB - int(GIB / 2 / MEMORY_SHARE)), FREE)
    assert (with_cache.workers, with_cache.upload_bytes) == (without.workers, without.upload_bytes)
    assert abs(with_cache.decoding_bytes - without.decoding_bytes) < 10
    assert "512 MB of it for the cache" in with_cache.reason
    small = plan_sizing(_machine(2, 2 * GIB), SizingOptions(cache_bytes=GIB // 2))
    assert small.workers == 1


@given(
    st.integers(1, 256),
    st.one_of(st.none(), st.floats(0.01, 300)),
    st.integers(64 << 20, 1 << 42),
)
def test_every_machine_gets_something_that_works(cpus, quota, memory_bytes):
    """On any machine there is at least one of each, the CPUs can all be used, memory is kept."""
    machine = _machine(cpus, memory_bytes, quota)
    found = plan_sizing(machine, FREE)
    assert found.workers >= 1
    assert 1 <= found.slots <= cpus
    assert found.workers * found.slots >= min(machine.cpus, cpus)
    needed = found.workers * (WORKER_BYTES + found.decoding_bytes)
    fits = needed <= memory_bytes * MEMORY_SHARE
    assert fits or (found.workers == 1 and found.decoding_bytes == LEAST_DECODING_BYTES)


@pytest.mark.parametrize("name", ["workers", "slots", "queue"])
def test_what_is_fixed_stays_fixed(name):
    """An operator's number is taken as it is, and the reason says so."""
    found = plan_sizing(_machine(4, GIB), SizingOptions(**{name: 7}))
    assert getattr(found, name) == 7
    assert f"{name} fixed by settings" in found.reason


def test_no_waiting_places_are_a_choice():
    """A queue of zero is a number like any other."""
    found = plan_sizing(_machine(4, 8 * GIB), SizingOptions(queue=0))
    assert found.queue == 0
    assert found.threads == 2 * found.slots + 22


def test_with_a_history_there_are_threads_to_wait_for_its_database():
    """Two, beside those that pages have without one."""
    without, found = (
        plan_sizing(_machine(4, 8 * GIB), SizingOptions(has_history=has_history))
        for has_history in (False, True)
    )
    assert found.threads == without.threads + 2


@pytest.mark.parametrize(("queue", "lookups"), [(None, 32), (5, 5), (0, 1)])
def test_with_a_cache_there_are_threads_to_look_in_it(queue, lookups):
    """As many as predictions may wait, up to a number; without a cache none."""
    without, found = (
        plan_sizing(_machine(4, 8 * GIB), SizingOptions(queue=queue, has_cache=has_cache))
        for has_cache in (False, True)
    )
    assert (without.lookups, found.lookups) == (0, lookups)
    assert found.threads == without.threads + lookups + 1


@pytest.mark.parametrize(
    ("cpus", "slots", "batch_slots"), [(1, None, 1), (2, None, 2), (64, None, 4), (2, 7, 7)]
)
def test_a_batch_alone_may_use_the_cpus_of_other_workers(cpus, slots, batch_slots):
    """As many of its pictures are worked on as there are CPUs, up to what a process can use."""
    found = plan_sizing(_machine(cpus, 64 * GIB), SizingOptions(slots=slots))
    assert found.batch_slots == batch_slots


def test_everything_fixed_is_named_together():
    """All that was fixed is in the reason."""
    found = plan_sizing(_machine(4, GIB), SizingOptions(3, 2, 1))
    assert (found.workers, found.slots, found.queue, found.threads) == (3, 2, 1, 26)
    assert "workers, slots, queue fixed by settings" in found.reason


def test_few_fixed_workers_use_the_whole_machine():
    """One worker on eight CPUs gets eight slots."""
    assert plan_sizing(_machine(8, 16 * GIB), SizingOptions(workers=1)).slots == 8


def test_the_reason_tells_what_was_seen():
    """CPUs, quota, memory and its shortage can be read from the reason."""
    assert plan_sizing(_machine(4, 8 * GIB), FREE).reason == (
        "4 CPUs allowed, no CPU quota; 8192 MB of memory"
    )
    assert plan_sizing(_machine(4, GIB, 2.5), FREE).reason == (
        "4 CPUs allowed, a quota of 2.5 CPU; 1024 MB of memory; memory allows no more workers"
    )


def test_threads_are_for_what_is_at_work():
    """A longer queue needs no thread: what waits is no thread's."""
    short, long = (plan_sizing(_machine(4, GIB), SizingOptions(queue=one)) for one in (1, 1000))
    assert short.threads == long.threads == 2 * short.slots + 22
