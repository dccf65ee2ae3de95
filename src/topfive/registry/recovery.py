"""Keeps trying to load a model that could not be loaded, waiting longer after every failure.

What waiting cannot heal is not tried again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from topfive.errors import Mistake, OperatorError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before the first retry, the factor for each further one, and the most."""

    first_s: float = 5.0
    factor: float = 2.0
    most_s: float = 300.0

    def wait_s(self, failures: int) -> float:
        """Tell how long to wait after so many failures in a row."""
        # Beyond so many failures the wait is the longest anyway, and the power would overflow.
        doublings = min(max(0, failures - 1), 64)
        return float(min(self.most_s, self.first_s * self.factor**doublings))


class Recovery:
    """A background thread that calls `attempt` until it succeeds, is stopped or cannot be healed.

    `on_failure` gets each error and the seconds until the next attempt; None: there is none.
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
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="topfive-recovery", daemon=True)

    def start(self) -> None:
        """Begin to try, after the first wait."""
        self._thread.start()

    def stop(self) -> None:
        """Stop trying; an attempt under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 1
        while not self._stopping.wait(self._backoff.wait_s(failures)):
            try:
                self._attempt()
            except Mistake as mistake:
                self._on_failure(mistake, None)
                return
            except OperatorError as error:
                failures += 1
                self._on_failure(error, self._backoff.wait_s(failures))
            except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end the attempts
                failures += 1
                unforeseen = OperatorError(f"{type(error).__name__}: {error}")
                self._on_failure(unforeseen, self._backoff.wait_s(failures))
            else:
                return
