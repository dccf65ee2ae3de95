"""Carries out what the scheduler decides: accepts, reads, hands to threads, sends and closes.

One loop reads for all connections of a worker and waits for nobody. A thread gets a request when
it is whole, makes and sends its answer, and goes on with the next one that waits.
"""

import select
import socket
from collections.abc import Iterable
from threading import Lock
from time import monotonic
from typing import Any

from topfive.errors import ClientDisconnected, InternalError
from topfive.server.acceptor import Acceptor
from topfive.server.balance import Balance
from topfive.server.connection import Connection, host_of
from topfive.server.first_look import FirstLook, Look, see_nothing
from topfive.server.http import BrokenRequest, Http, Outcome
from topfive.server.open_connections import OpenConnections
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.server.threads import Threads
from topfive.server.upload import Decision, Refusal, Stage, Upload, Verdict
from topfive.telemetry.logs import get_logger

_READ_BYTES = 256 * 1024
# While a request is worked on so much of further ones is read ahead.
_READ_AHEAD_BYTES = 64 * 1024
# So much is read at first while most are refused: a head and little more.
_HEAD_BYTES = 4096
_BUSY = frozenset({Stage.WAITING, Stage.WORKING, Stage.ANSWERED})
_LEFT_ALONE = frozenset({Stage.HELD, Stage.PAUSED})


class EventLoop:
    """The connections of one worker, the loop that reads for them, and the threads that answer.

    `requests` counts those that threads have answered. `look` sees predictions by the first
    bytes of new connections, while too many come to parse them all.
    """

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        scheduler: UploadScheduler,
        http: Http,
        refusals: Refusals,
        balance: Balance,
        most_connections: int,
        look: Look = see_nothing,
    ) -> None:
        self._scheduler = scheduler
        self._http = http
        self._refusals = refusals
        self._balance = balance
        self.requests = 0
        self._lock = Lock()
        self._first_look = FirstLook(scheduler, refusals, self._lock, look)
        self._threads = Threads(scheduler.limits.threads, self._serve)
        self._open = OpenConnections(scheduler, refusals, balance, most_connections)
        self._poller = self._open.poller
        self._acceptor = Acceptor(listeners, self._poller, balance, self._admit, self._open.room)
        self._scratch = bytearray(_READ_BYTES)
        self._view = memoryview(self._scratch)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._scheduler.connections

    def start(self, wake_fd: int) -> None:
        """Start the threads and be ready to accept; a byte on `wake_fd` ends a turn early."""
        self._poller.register(wake_fd, select.EPOLLIN | select.EPOLLET)
        self._threads.start()

    def turn(self, wait_s: float) -> None:
        """Wait for something to happen, and carry it out."""
        wait_s = max(0.0, min(wait_s, self._scheduler.due_in_s(monotonic())))
        for fd, _events in self._poller.poll(self._acceptor.prepare(wait_s)):
            if fd in self._acceptor:
                self._acceptor.accept(fd, at_once=self._scheduler.is_full)
            elif (conn := self._open.get(fd)) is not None:
                self._on_event(conn)
        if self._scheduler.due_in_s(monotonic()) <= 0:
            self.tick()

    def tick(self) -> None:
        """Carry out what time alone decides."""
        with self._lock:
            for upload, verdict in self._scheduler.tick(monotonic()):
                if verdict is Decision.READ_ON:
                    self._read_again(upload)  # type: ignore[arg-type] # this loop made it
                else:
                    self._carry_out(upload, verdict)
            self._drop_gone_batches()
            self._start_work()
        self._refusals.report()

    def _read_again(self, conn: Connection) -> None:
        """Go on with a connection that was left alone for a while; the lock is held."""
        if conn.received:
            # Its refusal was held back, or its next request read when it was about to be paused.
            self._go_on(conn)
        else:
            # Most clients have gone by then, which the poller would only tell in a while.
            self._take_in(conn, self._receive(conn.sock))

    def _drop_gone_batches(self) -> None:
        """Let batches go whose clients left while they waited: nobody reads, so nobody sees it."""
        for batch in self._scheduler.waiting_batches:
            if batch.has_gone():  # type: ignore[attr-defined] # this loop made it
                self._carry_out(batch, Refusal(ClientDisconnected()))

    def stop_accepting(self) -> None:
        """Let in everyone who is connected already, and close the listening sockets."""
        self._acceptor.close()
        with self._lock:
            self._scheduler.stop(monotonic())
            self._balance.leave()

    def _admit(self, sock: socket.socket, client: Any, server: Any) -> None:
        """Take on a new connection, unless what has come on it is refused at once."""
        host, now_s = host_of(client), monotonic()
        most_bytes = _HEAD_BYTES if self._scheduler.is_flooded else _READ_BYTES
        # Often the whole request has come already, and the poller need not know of it.
        count = self._receive(sock, most_bytes)
        outcome = self._first_look.refuse(sock, host, now_s, self._view[: max(0, count)])
        if outcome is Outcome.CLOSE:
            sock.close()
            return
        conn = Connection(sock, client, server)
        try:
            with self._lock:
                self._open.add(conn, now_s)
                if outcome is Outcome.LINGER:
                    self._open.end(conn)
                else:
                    self._take_in(conn, count)
        except Exception as error:  # noqa: BLE001 - as in `_on_event`
            self._drop_after(error, conn)

    def _on_event(self, conn: Connection) -> None:
        try:
            if conn.stage is Stage.SENDING:
                self._send_more(conn)
            elif conn.stage is Stage.CLOSING:
                self._discard(conn)
            else:
                self._read(conn)
        except Exception as error:  # noqa: BLE001 - a worker loop: one connection must not end it
            self._drop_after(error, conn)

    def _drop_after(self, error: Exception, conn: Connection) -> None:
        """Log what nobody foresaw, and close the connection on which it happened."""
        get_logger().error("unforeseen_error", kind=type(error).__name__)
        with self._lock:
            self._open.drop(conn)

    def _read(self, conn: Connection) -> None:
        with self._lock:
            # Without the lock its thread may be about to go on with the connection's next request.
            is_busy = conn.stage in _BUSY
            if is_busy and not conn.is_closed and conn.polled_events:
                self._take_in(conn, self._receive(conn.sock))
        if not is_busy:
            # Only this loop touches it, so nobody need wait while the kernel copies.
            count = self._receive(conn.sock)
            with self._lock:
                self._take_in(conn, count)

    def _receive(self, sock: socket.socket, most_bytes: int = _READ_BYTES) -> int:
        """Read into the scratch buffer; returns how much, 0 at the end, -1 if nothing is there."""
        try:
            return sock.recv_into(self._scratch, most_bytes, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return -1
        except OSError:
            return 0

    def _take_in(self, conn: Connection, count: int) -> None:
        """Note what was read, and decide on it; the lock is held."""
        if count == 0:
            self._on_end(conn)
            return
        if count > 0:
            conn.received += self._view[:count]
            for upload, refusal in self._scheduler.arrived(conn, count, monotonic()):
                self._carry_out(upload, refusal)
        if not conn.is_closed:
            self._go_on(conn)
            self._start_work()

    def _on_end(self, conn: Connection) -> None:
        conn.has_ended = True
        if conn.stage in _BUSY:
            # Its request is whole, and the app asks by itself whether the client has gone.
            self._open.poll(conn, 0)
        else:
            self._open.refuse(conn, self._scheduler.ended(conn))

    def _go_on(self, conn: Connection) -> None:
        """Decide on what has arrived; the lock is held."""
        if conn.stage in _BUSY:
            self._open.poll(conn, select.EPOLLIN if len(conn.received) < _READ_AHEAD_BYTES else 0)
        elif conn.stage in _LEFT_ALONE:
            self._open.poll(conn, 0)
        elif conn.head is not None or self._parse_head(conn):
            self._carry_out(conn, self._decide(conn))

    def _parse_head(self, conn: Connection) -> bool:
        """Parse the head where it is whole; the lock is held."""
        head = conn.find_head()
        if head is None:
            self._read_on(conn)
            return False
        try:
            parsed = self._http.parse_head(head, conn)
        except BrokenRequest:
            self._carry_out(conn, self._scheduler.broken())
            return False
        conn.begin_body(parsed)
        self._scheduler.head_complete(conn, parsed.work, monotonic(), parsed.most_body_bytes)
        return True

    def _decide(self, conn: Connection) -> Verdict:
        try:
            missing_bytes = conn.missing_bytes()
        except ValueError:
            return self._scheduler.broken()
        return self._scheduler.body_arrived(conn, missing_bytes, monotonic())

    def _carry_out(self, upload: Upload, verdict: Verdict) -> None:
        """Do what the scheduler has decided; the lock is held."""
        assert isinstance(upload, Connection)  # noqa: S101 - this loop made it
        if isinstance(verdict, Refusal):
            self._open.refuse(upload, verdict)
        elif verdict is Decision.READ_ON:
            self._read_on(upload)
        elif verdict is Decision.HOLD:
            self._open.poll(upload, 0)
        else:
            upload.take_request()
            if upload.body_is_missing:
                # The thread reads the rest.
                self._open.poll(upload, 0)
            if verdict is Decision.STREAM:
                self._threads.give(upload)

    def _read_on(self, conn: Connection) -> None:
        if conn.has_ended:
            self._open.drop(conn)
            return
        conn.tell_to_continue()
        self._open.poll(conn, select.EPOLLIN)

    def _start_work(self) -> None:
        """Hand to threads what may be worked on now; the lock is held."""
        while (upload := self._scheduler.next_work()) is not None:
            self._threads.give(upload)  # type: ignore[arg-type] # this loop made it

    def _discard(self, conn: Connection) -> None:
        if self._open.discard(conn):
            with self._lock:
                self._open.drop(conn)

    def _send_more(self, conn: Connection) -> None:
        is_sent = conn.flush()
        with self._lock:
            if not conn.is_closed and is_sent is not False:
                self._after_answer(conn, is_gone=is_sent is None)
                self._start_work()

    def _after_answer(self, conn: Connection, *, is_gone: bool) -> None:
        """Go on with a further request, or end the connection; the lock is held."""
        if is_gone or conn.is_closed or conn.outcome is Outcome.GONE:
            self._open.drop(conn)
        elif conn.outcome is Outcome.KEEP and (conn.received or not conn.has_ended):
            conn.begin_again()
            self._scheduler.answered(conn, monotonic())
            self._go_on(conn)
        elif conn.outcome is Outcome.LINGER or conn.received:
            self._open.end(conn)
        else:
            self._open.drop(conn)

    def _serve(self, conn: Connection) -> Connection | None:
        """Answer a request; returns the connection whose request this thread takes next."""
        upload = None
        try:
            upload = self._answer_and_choose(conn)
            self._send_answer(conn)
        except Exception as error:  # noqa: BLE001 - a worker loop: no failure may end its thread
            self._drop_after(error, conn)
        return upload

    def _answer_and_choose(self, conn: Connection) -> Connection | None:
        """Make an answer, and choose what this thread does when that is sent."""
        conn.waited_s = monotonic() - conn.whole_s
        conn.outcome = self._answer(conn)
        with self._lock:
            # Before the client can read the answer and ask again.
            self.requests += 1
            self._scheduler.work_done(conn, conn.taken_bytes)
            # Chosen now, or the loop, which waits to go on, would wake another thread for it.
            return self._scheduler.next_work()  # type: ignore[return-value] # this loop made it

    def _send_answer(self, conn: Connection) -> None:
        """Send what the client takes at once, and go on with its connection."""
        is_sent = conn.flush()
        with self._lock:
            if is_sent is False:
                self._scheduler.answer_unsent(conn, monotonic())
                self._open.poll(conn, select.EPOLLOUT)
            else:
                self._after_answer(conn, is_gone=is_sent is None)
            self._start_work()

    def _answer(self, conn: Connection) -> Outcome:
        has_room = self._open.room() > self._scheduler.limits.threads
        may_keep = has_room and not self._scheduler.is_stopping
        may_keep = may_keep and not self._balance.should_end_one()
        try:
            return self._http.answer(conn, may_keep)
        except BrokenRequest:
            failure = self._scheduler.broken().failure
        except Exception as error:  # noqa: BLE001 - the app's boundary
            get_logger().error("unforeseen_error", kind=type(error).__name__)
            failure = InternalError()
        conn.unsent.clear()
        if conn.sent_bytes or failure is None:
            return Outcome.GONE
        conn.sendall(self._refusals.write(conn, conn.head, failure, is_kept=False))
        return Outcome.LINGER
