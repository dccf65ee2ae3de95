"""What is known of one upload, how far it may come, and what can be decided of it."""

from dataclasses import dataclass
from enum import Enum
from math import inf

from topfive.errors import Failure
from topfive.machine.sizing import (
    BATCH_THREADS,
    LOOKUP_THREADS,
    OTHER_THREADS,
    PROBE_THREADS,
    STREAM_THREADS,
)
from topfive.route_table import Work


class Stage(Enum):
    """How far the present request of a connection has come."""

    IDLE = "idle"  # nothing of it has arrived
    HEAD = "head"
    BODY = "body"
    HELD = "held"  # it is about to be refused, and its client is told a little later
    WAITING = "waiting"  # it is whole, or too large, and no thread has it yet
    WORKING = "working"  # a thread has it
    ANSWERED = "answered"  # its answer is made, and the thread is about to send it
    SENDING = "sending"  # its answer waits for the client to read
    PAUSED = "paused"  # it was refused, and the next one is not read before a short pause
    CLOSING = "closing"  # the connection was refused; what still arrives is thrown away


class Decision(Enum):
    """What is to be done with a request that is not refused."""

    READ_ON = "read on"
    HOLD = "hold"  # nothing for a moment
    WAIT = "wait"  # `next_work` names it when a thread may have it
    STREAM = "stream"  # a thread may have it now, and reads the rest of its body itself


@dataclass(frozen=True, slots=True)
class Refusal:
    """The end of a request, with what its client is told; without a failure nothing is said."""

    failure: Failure | None = None


Verdict = Decision | Refusal


@dataclass(slots=True, eq=False)
class Upload:
    """What the scheduler knows of one connection and its present request; moments in seconds.

    `only_cached` is a prediction that has no queue slot, and `is_overloaded` one whose app has said
    so. `host` is the address that it comes from; `was_held` a request whose refusal was held back.
    """

    stage: Stage = Stage.IDLE
    work: Work = Work.OTHER
    began_s: float = 0.0
    head_s: float = 0.0
    whole_s: float = 0.0
    expires_s: float = inf
    most_body_bytes: int = 0
    held_bytes: int = 0
    streamed_bytes: int = 0
    only_cached: bool = False
    is_overloaded: bool = False
    host: str = ""
    was_held: bool = False


@dataclass(frozen=True, slots=True)
class BatchLaneLimits:
    """How many batches are at work and wait, and how many seconds one has.

    `whole_s` for all of it; `idle_s` may pass without a byte of its body, `send_s` without a byte
    of its answer being read.
    """

    at_work: int = BATCH_THREADS
    waiting: int = 8
    whole_s: float = 300.0
    idle_s: float = 10.0
    send_s: float = 10.0


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How many seconds an export has: `whole_s`, and `send_s` without a byte of it being read.

    Millions of rows take minutes, and a client that reads slowly must not hold a thread for ever.
    """

    whole_s: float = 3600.0
    send_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """How many requests and bytes a worker takes on, and how many seconds it waits for each.

    `slots` predictions are worked on at once and `queue` more wait; `lookups` of these have a
    thread to look for their answer in the cache, and `only_cached` more where no queue slot is
    left. `streams`, `others` and `probes` are threads for requests of other kinds. `body_bytes` is
    the longest body of any route whose bodies are collected.
    """

    slots: int
    queue: int
    body_bytes: int
    held_bytes: int
    request_s: float
    streams: int = STREAM_THREADS
    others: int = OTHER_THREADS
    probes: int = PROBE_THREADS
    lookups: int = 0
    only_cached: int = 16
    batches: BatchLaneLimits = BatchLaneLimits()
    head_s: float = 10.0
    # Load balancers keep connections for 60 s and must not be first to find one closed.
    keepalive_s: float = 75.0
    send_s: float = 10.0
    closing_s: float = 3.0
    closing_connections: int = 256
    # Of more connections than these none is kept once it is refused: by then most of their clients
    # have gone, and where a worker has as many as it may have, new ones wait until that is noticed.
    kept_connections: int = 700
    # Shorter than any Retry-After: a client that asks again at once is heard twice a second.
    pause_s: float = 0.5
    # While clients connect anew for it, that pause comes before the refusal.
    hold_s: float = 0.5
    stop_s: float = 2.0

    @property
    def spare_slots(self) -> int:
        """How many predictions may be at work beside those that take long."""
        return self.slots

    @property
    def capacity(self) -> int:
        """How many predictions may be in the worker, at work or waiting."""
        return self.slots + self.queue

    @property
    def threads(self) -> int:
        """How many threads can be at work at once."""
        others = self.streams + self.others + self.probes + self.batches.at_work
        lookups = self.lookups + LOOKUP_THREADS if self.lookups else 0
        return self.slots + self.spare_slots + others + lookups
