"""How many workers, slots and threads suit a machine."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from topfive.machine.probe import Machine

# Measured with MobileNetV2 in OpenVINO f32: a worker rests at about 150 MB that are its own.
WORKER_BYTES = 170 * 1024**2
# The largest picture in the costliest format: 25 megapixels of WebP or TIFF (see benchmarks).
LARGEST_PICTURE_BYTES = 450 * 1000**2
# Enough for any phone's JPEG, however small the machine.
LEAST_DECODING_BYTES = 128 * 1000**2
# What a worker holds of uploads that are under way or wait for their turn: a small share of its
# memory, but never less than two of the largest uploads nor more than a burst needs.
UPLOAD_SHARE = 0.05
LEAST_UPLOAD_BYTES = 20 * 1024**2
MOST_UPLOAD_BYTES = 128 * 1024**2
# What models may take: half of a worker's memory beyond one picture of 25 megapixels in AVIF or
# HEIC, but never so little that ResNet-50 would not fit. WORKER_BYTES holds a MobileNetV2 besides.
DECODING_KEPT_BYTES = 550 * 1000**2
MODEL_SHARE = 0.5
LEAST_MODEL_BYTES = 256 * 1024**2
# The rest is for the operating system, uploads in flight and what nobody foresaw.
MEMORY_SHARE = 0.8

# More slots than this in one process wait for each other's Python code.
MAX_SLOTS_PER_WORKER = 4
# A second worker goes on serving while the first is replaced.
WORKERS_FOR_SAFETY = 2
QUEUE_PER_SLOT = 32
# Threads of a worker beside one for each slot. What waits for a slot holds none.
# These may wait for bodies, so that in calm times uploads are refused early.
STREAM_THREADS = 8
# A burst of pages and their assets must not make probes wait for Python's lock.
OTHER_THREADS = 4
# These answer health while everything else is busy.
PROBE_THREADS = 8
# Each reads one batch and sends its answer; the pictures are worked on by threads of their own.
BATCH_THREADS = 2
# Where a cache is on so many predictions may look there before they have a slot: a hit needs none.
MOST_LOOKUPS = 32
# And one looks there for those that have no queue slot either.
LOOKUP_THREADS = 1
# Where a history is kept so many requests may wait for its database, and pages have theirs beside.
HISTORY_THREADS = 2


@dataclass(frozen=True, slots=True)
class SizingOptions:
    """What the operator fixed; None leaves a choice to `plan_sizing`."""

    workers: int | None = None
    slots: int | None = None
    queue: int | None = None
    model_bytes: int | None = None
    has_cache: bool = False
    cache_bytes: int = 0
    has_history: bool = False


@dataclass(frozen=True, slots=True)
class Sizing:
    """Processes; per process slots, queue, bytes for decoding, uploads and models; the reasons.

    `batch_slots` pictures of batches are worked on at once while there is nothing else to do.
    `lookups` predictions may look for their answer in the cache before they have a slot. `others`
    threads are for pages, orders and the history.
    """

    workers: int
    slots: int
    queue: int
    decoding_bytes: int
    reason: str
    upload_bytes: int = MOST_UPLOAD_BYTES
    model_bytes: int = LEAST_MODEL_BYTES
    batch_slots: int = 1
    lookups: int = 0
    others: int = OTHER_THREADS

    @property
    def spare_slots(self) -> int:
        """How many more may be at work while others take long."""
        return self.slots

    @property
    def threads(self) -> int:
        """How many threads of a worker may be answering at once."""
        others = STREAM_THREADS + self.others + PROBE_THREADS + BATCH_THREADS
        lookups = self.lookups + LOOKUP_THREADS if self.lookups else 0
        return self.slots + self.spare_slots + others + lookups


def plan_sizing(machine: Machine, options: SizingOptions) -> Sizing:
    """Choose workers, slots per worker and queue from CPUs and memory, where not fixed."""
    cores = max(1, math.ceil(machine.cpus))
    usable_bytes = int(machine.usable_memory_bytes * MEMORY_SHARE) - options.cache_bytes
    fitting = max(1, usable_bytes // (WORKER_BYTES + LARGEST_PICTURE_BYTES))
    desired = 1 if cores == 1 else max(WORKERS_FOR_SAFETY, -(-cores // MAX_SLOTS_PER_WORKER))
    workers = options.workers or min(desired, fitting)
    slots = options.slots or _slots_for(cores, workers)
    queue = QUEUE_PER_SLOT * slots if options.queue is None else options.queue
    memory = _share_memory(usable_bytes // workers, options.model_bytes)
    # One worker has the whole batch, so alone it may use the CPUs of the others too.
    batch_slots = max(slots, min(cores, MAX_SLOTS_PER_WORKER))
    lookups = max(1, min(queue, MOST_LOOKUPS)) if options.has_cache else 0
    return Sizing(
        workers,
        slots,
        queue,
        memory.decoding_bytes,
        _reason(machine, options, workers < desired),
        memory.upload_bytes,
        memory.model_bytes,
        batch_slots,
        lookups,
        OTHER_THREADS + (HISTORY_THREADS if options.has_history else 0),
    )


class _Memory(NamedTuple):
    """What one worker may take, in bytes."""

    decoding_bytes: int
    upload_bytes: int
    model_bytes: int


def _share_memory(worker_bytes: int, model_bytes: int | None) -> _Memory:
    """Share out what one worker has, for models as much as is fixed or left beside decoding."""
    upload_bytes = _upload_bytes(worker_bytes)
    # Below 0 where resting workers and uploads leave nothing.
    left_bytes = worker_bytes - WORKER_BYTES - upload_bytes
    share_bytes = max(0, int((left_bytes - DECODING_KEPT_BYTES) * MODEL_SHARE))
    return _Memory(
        max(LEAST_DECODING_BYTES, left_bytes - share_bytes),
        upload_bytes,
        model_bytes or max(LEAST_MODEL_BYTES, share_bytes),
    )


def _slots_for(cores: int, workers: int) -> int:
    # No more than there are cores for: slots of one process wait for each other's Python code, and
    # workers even out their connections by themselves.
    return max(1, -(-cores // workers))


def _upload_bytes(worker_bytes: int) -> int:
    return min(MOST_UPLOAD_BYTES, max(LEAST_UPLOAD_BYTES, int(worker_bytes * UPLOAD_SHARE)))


def _reason(machine: Machine, options: SizingOptions, memory_is_short: bool) -> str:
    quota = "no CPU quota" if machine.cpu_quota is None else f"a quota of {machine.cpu_quota:g} CPU"
    parts = [
        f"{machine.affinity_cpus} CPUs allowed, {quota}",
        f"{machine.usable_memory_bytes // 1024**2} MB of memory",
    ]
    if options.cache_bytes:
        parts.append(f"{options.cache_bytes // 1024**2} MB of it for the cache")
    fixed = [name for name in ("workers", "slots", "queue") if getattr(options, name) is not None]
    if fixed:
        parts.append(f"{', '.join(fixed)} fixed by settings")
    elif memory_is_short:
        parts.append("memory allows no more workers")
    return "; ".join(parts)
