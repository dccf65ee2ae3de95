"""Keeps trying to load a model that could not be loaded, waiting longer after every failure.

What waiting cannot heal is not tried again.
"""

from collections.abc import Callable
from threading import Event, Thread

from topfive.concurrency.backoff import Backoff
from topfive.errors import Mistake, OperatorError


class Recovery:
    """A background thread that calls `attempt` until it succeeds, is stopped or cannot be healed.

    `on_failure` gets each error and the seconds until the next attempt; None: there is none.
    `wait_s` are the seconds from the start to the first one.
    """

    def __init__(
        self,
        attempt: Callable[[], None],
        on_failure: Callable[[OperatorError, float | None], None],
        backoff: Backoff,
    ) -> None:
        self._attempt = attempt
        self._on_failure = on_failure
        self._backoff = backoff
        self._failures = 1
        self.wait_s = backoff.draw_wait_s(1)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="topfive-recovery", daemon=True)

    def start(self) -> None:
        """Begin to try, after the first wait."""
        self._thread.start()

    def stop(self) -> None:
        """Stop trying; an attempt under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self.wait_s):
            try:
                self._attempt()
            except Mistake as mistake:
                self._on_failure(mistake, None)
                return
            except OperatorError as error:
                self._note(error)
            except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end the attempts
                self._note(OperatorError(f"{type(error).__name__}: {error}"))
            else:
                return

    def _note(self, error: OperatorError) -> None:
        self._failures += 1
        self.wait_s = self._backoff.draw_wait_s(self._failures)
        self._on_failure(error, self.wait_s)
