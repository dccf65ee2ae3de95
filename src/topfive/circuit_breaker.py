"""A circuit breaker: what failed is left alone for a while, then one call looks whether it is back.

Source: https://martinfowler.com/bliki/CircuitBreaker.html
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TypeVar

# How long a store that failed is left alone.
RETRY_EVERY_S = 3.0

T = TypeVar("T")


class CircuitBreaker:
    """Stands before one store; safe to call from many threads.

    `failures` are what the store raises. `on_down` is told the kind of failure once
    an outage, `on_back` its end; neither is told the error's text, which may hold a password.
    """

    def __init__(
        self,
        failures: tuple[type[Exception], ...],
        on_down: Callable[[str], None],
        on_back: Callable[[], None],
    ) -> None:
        self._failures = failures
        self._on_down = on_down
        self._on_back = on_back
        self._lock = Lock()
        self._is_down = False
        self._retry_at_s = 0.0

    @property
    def is_down(self) -> bool:
        """Whether the last call failed."""
        return self._is_down

    def call(self, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """Return what the store says; what `otherwise` does where it fails or is left alone."""
        if not self._may_ask():
            return otherwise()
        try:
            answer = ask()
        except self._failures as error:
            self._note_down(type(error).__name__)
            return otherwise()
        self._note_back()
        return answer

    def _may_ask(self) -> bool:
        """Whether the store works, or this call is the one that looks whether it is back."""
        if not self._is_down:
            return True
        with self._lock:
            if self._is_down and monotonic() < self._retry_at_s:
                return False
            self._retry_at_s = monotonic() + RETRY_EVERY_S
            return True

    def _note_down(self, kind: str) -> None:
        with self._lock:
            was_down, self._is_down = self._is_down, True
            self._retry_at_s = monotonic() + RETRY_EVERY_S
        if not was_down:
            self._on_down(kind)

    def _note_back(self) -> None:
        if self._is_down:
            with self._lock:
                was_down, self._is_down = self._is_down, False
            if was_down:
                self._on_back()
