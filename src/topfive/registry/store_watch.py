"""Looks again and again which bundles a store has; of the workers of a machine, one does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from filelock import FileLock, Timeout

from topfive.concurrency.backoff import Backoff
from topfive.errors import OperatorError

_LOCK_FILE = ".store.lock"
# How soon another worker takes over where the one that looks has ended.
_TAKE_OVER_S = 5.0


class ListAge(Protocol):
    """Knows how old the list is that is kept."""

    def age_s(self) -> float | None:
        """Tell its age in seconds; None: there is none."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Where the lock lies, and after how many seconds it is looked again, also after failures."""

    models_dir: Path
    ttl_s: float
    backoff: Backoff


class StoreWatch:
    """A background thread that calls `look` where the list is too old.

    `on_failure` gets each error, and the seconds until the next attempt.
    """

    def __init__(
        self,
        age: ListAge,
        look: Callable[[], None],
        on_failure: Callable[[OperatorError, float], None],
        options: WatchOptions,
    ) -> None:
        self._age = age
        self._look = look
        self._on_failure = on_failure
        self._options = options
        self._failures = 0
        self._stopping = Event()
        self._lock = FileLock(options.models_dir / _LOCK_FILE, thread_local=False)
        self._thread = Thread(target=self._run, name="topfive-store-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; a look that is under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            wait_s = 0.0
            while not self._stopping.wait(wait_s):
                wait_s = self._step()
        finally:
            self._lock.release(force=True)

    def _step(self) -> float:
        """Look, if it is this worker that does and time to; returns the seconds to wait."""
        try:
            self._options.models_dir.mkdir(parents=True, exist_ok=True)
            # It is kept until this worker ends, so that failures are counted in one place.
            self._lock.acquire(blocking=False)
            return self._look_if_due()
        except Timeout:
            return _TAKE_OVER_S
        except OSError as error:
            told = f"{self._options.models_dir} cannot be written to: {error.strerror}."
            return self._note(OperatorError(told))
        except OperatorError as error:
            return self._note(error)
        except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end the looking
            return self._note(OperatorError(f"{type(error).__name__}: {error}"))

    def _look_if_due(self) -> float:
        age_s = self._age.age_s()
        if age_s is not None and age_s < self._options.ttl_s:
            return self._options.ttl_s - age_s
        self._look()
        self._failures = 0
        return self._options.ttl_s

    def _note(self, error: OperatorError) -> float:
        self._failures += 1
        wait_s = self._options.backoff.draw_wait_s(self._failures)
        self._on_failure(error, wait_s)
        return wait_s
