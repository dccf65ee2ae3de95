"""Gunicorn's arbiter, but a reload lets old workers go only when new ones can serve.

And before it stops it lets no further connection begin, so that none is queued when the listening
socket is closed.
"""

import time
from typing import Any

from gunicorn.arbiter import Arbiter

from topfive.server.listening import shut_out_newcomers

# Loading a model takes seconds; workers that need longer are not waited for.
READY_WITHIN_S = 60.0
_POLL_S = 0.05


class PatientArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """Starts new workers, waits until they serve, and only then stops the old ones."""

    def manage_workers(self) -> None:
        """Keep the number of workers; more than enough means that a reload is under way."""
        if len(self.WORKERS) > self.num_workers:
            self._wait_for_new_workers()
        super().manage_workers()

    def stop(self, graceful: bool = True) -> None:
        """Let no further connection begin, then have the workers accept what is queued, and end."""
        if graceful and not self._shares_listeners():
            for listener in self.LISTENERS:
                shut_out_newcomers(listener)
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
