"""Which request is read on, worked on or refused: decided without sockets, threads or Gunicorn.

Events go in, decisions come out, and every refusal below the app is decided here. Callers hold one
lock around all calls, and carry the decisions out.
"""

from collections.abc import Callable
from math import inf

from topfive.errors import (
    ClientDisconnected,
    DeadlineExceeded,
    Failure,
    MalformedRequest,
    Overloaded,
    ShuttingDown,
    UploadTooSlow,
)
from topfive.route_table import Work
from topfive.server.flood import Flood
from topfive.server.lanes import BatchLane, Lane, LookupLane
from topfive.server.upload import Decision, Refusal, SchedulerLimits, Stage, Upload, Verdict

# Requests this small are never given up to make room for others.
SMALL_BYTES = 64 * 1024


class UploadScheduler:
    """Tracks every connection of one worker, and decides what becomes of each."""

    def __init__(self, limits: SchedulerLimits, overloaded: Callable[[], Overloaded]) -> None:
        self.limits = limits
        self.is_stopping = False
        self.held_bytes = 0
        self._overloaded = overloaded
        # In the order they came, so that of two that began at once the older one makes room.
        self._uploads: dict[Upload, None] = {}
        self._streaming: set[Upload] = set()
        self._closing = 0
        self._ticked_s = 0.0
        # Where a cache is on the limiter lets `slots` work: only there it is known who needs one.
        self._predictions = Lane(limits.slots + limits.lookups, limits.spare_slots)
        self._lookups = LookupLane(limits.only_cached if limits.lookups else 0)
        self._batches = BatchLane(limits.batches.at_work, limits.batches.waiting)
        self._flood = Flood(limits.hold_s)
        # Made once between two ticks: thousands a second may be the same.
        self._shed: Overloaded | None = None
        # In the order of their turns: probes first, since they are quick and others depend on them.
        self._lanes = {
            Work.PROBE: Lane(limits.probes),
            Work.PREDICTION: self._predictions,
            Work.BATCH: self._batches,
            Work.OTHER: Lane(limits.others),
        }
        # A stream cannot be given up, so streams may take half of what is held at most.
        fitting = limits.held_bytes // (2 * limits.body_bytes)
        self._most_streams = min(limits.streams, fitting)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._uploads)

    @property
    def predictions(self) -> int:
        """How many predictions are at work or wait for a thread."""
        return self._predictions.working + len(self._predictions.waiting)

    @property
    def waiting(self) -> int:
        """How many predictions wait for a thread."""
        return len(self._predictions.waiting)

    @property
    def waiting_batches(self) -> tuple[Upload, ...]:
        """The batches that wait for a thread, whose connections nobody reads meanwhile."""
        return tuple(self._batches.waiting)

    @property
    def is_full(self) -> bool:
        """Whether every queue slot is taken."""
        return self.predictions >= self.limits.capacity

    @property
    def is_flooded(self) -> bool:
        """Whether most requests on new connections will be refused, so that heads are enough."""
        return self._flood.is_watched

    def sheds(self, host: str, now_s: float) -> bool:
        """Tell whether a prediction on a new connection is refused by a first look alone."""
        is_full = self._flood.is_on and self.is_full and not self.limits.lookups
        return is_full and not self._flood.slows(host, now_s)

    def shed(self, host: str) -> Overloaded:
        """Refuse a prediction on a new connection, which ends with that."""
        self._flood.note(host)
        if self._shed is None:
            self._shed = self._overloaded()
        return self._shed

    def due_in_s(self, now_s: float) -> float:
        """Tell in how many seconds a tick is due; infinity: no earlier than every now and then."""
        due_s = self._flood.due_in_s(now_s)
        return due_s if due_s == inf or self.is_full else 0.0

    def accepted(self, upload: Upload, now_s: float) -> None:
        """Take on a new connection."""
        self._uploads[upload] = None
        upload.stage = Stage.IDLE
        upload.began_s = now_s
        upload.expires_s = now_s + (self.limits.stop_s if self.is_stopping else self.limits.head_s)

    def arrived(self, upload: Upload, count: int, now_s: float) -> list[tuple[Upload, Refusal]]:
        """Note `count` more bytes of a request; returns the uploads that must make room for it."""
        upload.held_bytes += count
        self.held_bytes += count
        if upload.stage is Stage.IDLE:
            upload.stage = Stage.HEAD
            upload.began_s = now_s
            upload.expires_s = now_s + self.limits.head_s
        return self._make_room()

    def broken(self) -> Refusal:
        """Decide on a request that is not HTTP."""
        return Refusal(
            MalformedRequest(
                "This is not HTTP that is understood here. Let a library build the request."
            )
        )

    def ended(self, upload: Upload) -> Refusal:
        """Decide on a connection that its client ends before a request on it is whole."""
        return Refusal(ClientDisconnected() if upload.stage is Stage.BODY else None)

    def head_complete(
        self, upload: Upload, work: Work, now_s: float, body_bytes: int | None = None
    ) -> None:
        """Note what a request asks for; the time for its answer runs from here.

        Its body may have `body_bytes`, or as many as that of any route.
        """
        upload.stage = Stage.BODY
        upload.work = work
        upload.only_cached = upload.is_overloaded = upload.was_held = False
        upload.most_body_bytes = body_bytes or self.limits.body_bytes
        upload.head_s = now_s
        is_batch = work is Work.BATCH
        upload.expires_s = now_s + (
            self.limits.batches.whole_s if is_batch else self.limits.request_s
        )

    def body_arrived(self, upload: Upload, missing_bytes: float, now_s: float) -> Verdict:
        """Decide on a request of whose body so many bytes are missing; infinitely many: unknown."""
        if upload.work is Work.PREDICTION and self.is_full:
            return self._look_up(upload, missing_bytes, now_s)
        self._lookups.leave(upload)
        # What is too large is not collected: the app refuses it by its announced length alone, or
        # as soon as it has read as much as it may.
        is_huge = upload.most_body_bytes < missing_bytes < inf
        if upload.work is Work.BATCH and not is_huge:
            return self._begin_batch(upload, now_s)
        if missing_bytes == 0:
            return self._wait(upload, upload.work, now_s)
        if is_huge or upload.held_bytes > upload.most_body_bytes:
            return self._wait(upload, Work.OTHER, now_s)
        return self._stream(upload, now_s) if self._may_stream() else Decision.READ_ON

    def next_work(self) -> Upload | None:
        """Name the request that a thread shall have now; None where none may start."""
        for lane in (*self._lanes.values(), self._lookups):
            if lane.is_ready():
                upload = lane.start(self._ticked_s)
                upload.stage = Stage.WORKING
                return upload
        return None

    def work_done(self, upload: Upload, request_bytes: int) -> None:
        """Free the slot of a request whose answer is made; `request_bytes` are held no longer."""
        if upload not in self._uploads:
            return
        if upload in self._streaming:
            self._streaming.discard(upload)
        else:
            self._lane_of(upload).finish(upload)
        self._lookups.leave(upload)
        upload.stage = Stage.ANSWERED
        upload.streamed_bytes = 0
        self._release(upload, request_bytes)

    def answer_unsent(self, upload: Upload, now_s: float) -> None:
        """Note that a client does not take its answer at once; it has a while to do so."""
        upload.stage = Stage.SENDING
        upload.expires_s = now_s + self.limits.send_s

    def answered(self, upload: Upload, now_s: float) -> None:
        """Note that an answer is sent and the connection may carry a further request."""
        upload.stage = Stage.HEAD if upload.held_bytes else Stage.IDLE
        wait_s = self.limits.head_s if upload.held_bytes else self.limits.keepalive_s
        upload.began_s = now_s
        upload.expires_s = now_s + (self.limits.stop_s if self.is_stopping else wait_s)

    def refused(self, upload: Upload, now_s: float, *, is_whole: bool) -> bool:
        """Note that a request is refused; returns whether its connection is kept.

        It is kept where all of the request was read and there are not many, and is not read again
        before a short pause.
        """
        self._leave(upload)
        upload.stage = Stage.PAUSED
        upload.expires_s = now_s + self.limits.pause_s
        has_room = self.connections <= self.limits.kept_connections
        return is_whole and has_room and not self.is_stopping

    def closing(self, upload: Upload, now_s: float) -> bool:
        """Note that a connection is read to its end only; False where too many are already."""
        if self._closing >= self.limits.closing_connections:
            return False
        self._closing += 1
        upload.stage = Stage.CLOSING
        upload.expires_s = now_s + self.limits.closing_s
        return True

    def gone(self, upload: Upload) -> None:
        """Forget a connection that is closed."""
        self._leave(upload)
        self._closing -= upload.stage is Stage.CLOSING
        self._uploads.pop(upload, None)

    def stop(self, now_s: float) -> None:
        """Keep no connection from now on, and give requests that are not whole a short while."""
        self.is_stopping = True
        for upload in self._uploads:
            if upload.stage in _ARRIVING:
                upload.expires_s = min(upload.expires_s, now_s + self.limits.stop_s)
        for batch in self._batches.waiting:
            batch.expires_s = min(batch.expires_s, now_s + self.limits.stop_s)

    def tick(self, now_s: float) -> list[tuple[Upload, Verdict]]:
        """List the connections whose time is over, with what becomes of each."""
        self._ticked_s = now_s
        self._shed = None
        self._flood.tick(now_s)
        self._flood.let_in(self.limits.capacity - self.predictions, now_s)
        self._predictions.note_long_work(now_s)
        self._batches.note_long_work(now_s)
        late = [one for one in self._uploads if one.expires_s <= now_s]
        return [(one, self._end_of(one, now_s)) for one in late if one.stage not in _AT_A_THREAD]

    def _end_of(self, upload: Upload, now_s: float) -> Verdict:
        if upload.stage is Stage.PAUSED:
            self.answered(upload, now_s)
            return Decision.READ_ON
        if upload.stage is Stage.HELD:
            self._flood.leave(upload)
            upload.stage = Stage.BODY
            stops_s, late_s = now_s + self.limits.stop_s, upload.head_s + self.limits.request_s
            upload.expires_s = stops_s if self.is_stopping else late_s
            return Decision.READ_ON
        return Refusal(self._late_failure(upload))

    def _late_failure(self, upload: Upload) -> Failure | None:
        if upload.stage is Stage.WAITING:
            if self.is_stopping and upload.work is Work.BATCH:
                return _stopping()
            return DeadlineExceeded()
        if upload.stage not in (Stage.HEAD, Stage.BODY):
            return None
        if self.is_stopping:
            return _stopping()
        return UploadTooSlow(
            "The request did not arrive in time. Try again over a faster connection."
        )

    def _lane_of(self, upload: Upload) -> Lane:
        return self._lookups if upload.only_cached else self._lanes[upload.work]

    def _look_up(self, upload: Upload, missing_bytes: float, now_s: float) -> Verdict:
        """Decide on a prediction without a queue slot: the cache may have its answer."""
        known_bytes = missing_bytes if missing_bytes < inf else 0
        is_large = upload.most_body_bytes < max(upload.held_bytes, known_bytes)
        if is_large or not self._lookups.take(upload):
            if upload.held_bytes <= SMALL_BYTES and self._flood.hold(upload, now_s):
                upload.stage = Stage.HELD
                return Decision.HOLD
            self._flood.note(upload.host)
            return Refusal(self._overloaded())
        if missing_bytes:
            return Decision.READ_ON
        upload.only_cached = True
        return self._wait(upload, upload.work, now_s)

    def _begin_batch(self, upload: Upload, now_s: float) -> Verdict:
        """Decide on a batch, which is never collected: at work its thread reads it."""
        if self._batches.is_full:
            return Refusal(_stopping() if self.is_stopping else self._batches.overloaded())
        if self.is_stopping:
            upload.expires_s = min(upload.expires_s, now_s + self.limits.stop_s)
        return self._wait(upload, Work.BATCH, now_s)

    def _wait(self, upload: Upload, work: Work, now_s: float) -> Decision:
        upload.stage = Stage.WAITING
        upload.work = work
        upload.whole_s = now_s
        self._lane_of(upload).waiting.append(upload)
        return Decision.WAIT

    def _may_stream(self) -> bool:
        # While there is much to do a body is collected first: by then its slot may be taken, and
        # it is refused for a fraction of what the app would need.
        is_calm = self.predictions < max(1, self.limits.capacity // 8)
        return is_calm and len(self._streaming) < self._most_streams

    def _stream(self, upload: Upload, now_s: float) -> Decision:
        upload.stage = Stage.WORKING
        upload.whole_s = now_s
        self._streaming.add(upload)
        return Decision.STREAM

    def _make_room(self) -> list[tuple[Upload, Refusal]]:
        """Choose the uploads that have taken longest while more is held than may be."""
        streamed_bytes = sum(one.streamed_bytes for one in self._streaming)
        excess_bytes = self.held_bytes + streamed_bytes - self.limits.held_bytes
        given_up = []
        if excess_bytes > 0:
            refusal = Refusal(
                Overloaded("Too many uploads are under way. Try again later.", retry_after_s=1)
            )
            large = [one for one in self._uploads if one.stage in _ARRIVING]
            large = [one for one in large if one.held_bytes > SMALL_BYTES]
            for upload in sorted(large, key=lambda one: one.began_s):
                if excess_bytes <= 0:
                    break
                excess_bytes -= upload.held_bytes
                given_up.append((upload, refusal))
        return given_up

    def _leave(self, upload: Upload) -> None:
        """Take an upload out of every count but the list of connections."""
        if upload in self._streaming:
            self._streaming.discard(upload)
        elif upload.stage is Stage.WORKING:
            self._lane_of(upload).finish(upload)
        elif upload.stage is Stage.WAITING:
            self._lane_of(upload).waiting.remove(upload)
        self._lookups.leave(upload)
        self._flood.leave(upload)
        self._release(upload, upload.held_bytes)

    def _release(self, upload: Upload, count: int) -> None:
        upload.held_bytes -= count
        self.held_bytes -= count


def _stopping() -> ShuttingDown:
    return ShuttingDown(
        "The service stopped before the whole request was there. Try again.", retry_after_s=1
    )


_AT_A_THREAD = frozenset({Stage.WORKING, Stage.ANSWERED})
_ARRIVING = frozenset({Stage.IDLE, Stage.HEAD, Stage.BODY, Stage.HELD, Stage.PAUSED})
