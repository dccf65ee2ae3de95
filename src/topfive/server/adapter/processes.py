"""The arbiter that starts and replaces workers, and a worker that runs the event loop."""

import os
import time
from functools import partial
from mmap import mmap
from typing import Any

from gunicorn.arbiter import Arbiter as GunicornArbiter
from gunicorn.workers.base import Worker as GunicornWorker

from topfive.route_table import RouteTable
from topfive.server.adapter.messages import GunicornHttp
from topfive.server.balance import Balance
from topfive.server.event_loop import EventLoop
from topfive.server.first_look import see_upload
from topfive.server.limits import scheduler_limits
from topfive.server.listening import HANDSHAKE_S, keep_send_buffers_small, refuse_new_connections
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.service import Service

# Loading a model takes seconds; workers that need longer are not waited for at a reload.
READY_WITHIN_S = 60.0
_POLL_S = 0.05
_TICK_S = 0.25


class Arbiter(GunicornArbiter):  # type: ignore[misc] # gunicorn has no types
    """Lets old workers go only when new ones serve, and ends without resetting a client."""

    def manage_workers(self) -> None:
        """Keep the number of workers; more than enough means that a reload is under way."""
        if len(self.WORKERS) > self.num_workers:
            self._wait_for_new_workers()
        super().manage_workers()

    def stop(self, graceful: bool = True) -> None:
        """Let no further client connect, then have the workers serve those that have, and end."""
        if graceful and not self._shares_listeners():
            for listener in self.LISTENERS:
                refuse_new_connections(listener)
        super().stop(graceful)

    def _shares_listeners(self) -> bool:
        # Handed over by systemd or to another Gunicorn (USR2), they go on serving without this one.
        return bool(self.systemd or self.reexec_pid or self.master_pid)

    def _wait_for_new_workers(self) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline_s and not self._new_workers_serve():
            self.reap_workers()
            time.sleep(_POLL_S)

    def _new_workers_serve(self) -> bool:
        by_age = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return all(_has_begun(worker) for worker in by_age[-self.num_workers :])


def _has_begun(worker: Any) -> bool:
    # A worker's first heartbeat, on the monotonic clock, comes when its app is loaded; until then
    # the file has the time of its making, on the wall clock.
    return bool(worker.tmp.last_update() <= time.monotonic())


class Worker(GunicornWorker):  # type: ignore[misc] # gunicorn has no types
    """One process that serves: Gunicorn starts it, loads its app and tells it when to end."""

    # The memory in which all workers note their connections; set before the worker runs.
    board: mmap
    _ticked_s = 0.0

    def run(self) -> None:
        """Serve until told to stop, then until everyone is answered."""
        service: Service = self.wsgi.service
        loop = self._open_loop(service)
        loop.start(self.PIPE[0])
        try:
            while self.alive and self.ppid == os.getppid():
                self._turn(loop, service)
                if loop.requests >= self.max_requests:
                    break
            self._stop(loop, service)
        finally:
            service.close()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop: not ready from now on, so that load balancers look elsewhere."""
        # The signal may come while the app is still being built.
        app = getattr(self, "wsgi", None)
        if app is not None:
            app.service.drain()
        super().handle_exit(sig, frame)

    def _open_loop(self, service: Service) -> EventLoop:
        routes: RouteTable = self.wsgi.route_table
        limits = scheduler_limits(service, routes)
        scheduler = UploadScheduler(limits, service.overloaded)
        service.count_waiting_with(lambda: scheduler.waiting)
        for listener in self.sockets:
            keep_send_buffers_small(listener)
        return EventLoop(
            self.sockets,
            scheduler,
            GunicornHttp(self.cfg, self.wsgi, limits.request_s, routes, limits.batches),
            Refusals(service.access_log, self.wsgi.headers_of_refusals),
            Balance(self.board, self.age),
            self.cfg.worker_connections,
            partial(see_upload, routes),
        )

    def _turn(self, loop: EventLoop, service: Service, wait_s: float = _TICK_S) -> None:
        loop.turn(wait_s)
        now_s = time.monotonic()
        if now_s - self._ticked_s >= _TICK_S:
            self._ticked_s = now_s
            self.notify()
            service.note_gauges()
            loop.tick()

    def _stop(self, loop: EventLoop, service: Service) -> None:
        # Connections whose handshake is under way need a moment to be there to be accepted.
        end_s = time.monotonic() + HANDSHAKE_S
        while (left_s := end_s - time.monotonic()) > 0:
            self._turn(loop, service, left_s)
        loop.stop_accepting()
        end_s = time.monotonic() + self.cfg.graceful_timeout
        while loop.connections and time.monotonic() < end_s:
            self._turn(loop, service)
