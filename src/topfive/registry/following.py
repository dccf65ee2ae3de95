"""The thread of a worker that has it follow the desired state."""

from collections.abc import Callable
from threading import Event, Thread

from topfive.registry.follower import Follower

# A new order is seen within a third of a second, and looking costs a few microseconds.
LOOK_EVERY_S = 0.2


class Following:
    """Has a follower step again and again until it is stopped.

    `on_unforeseen` is told of an error that nobody foresaw; the next step may go better.
    `is_over` tells that the worker is about to end, and that others need not wait for it.
    """

    def __init__(
        self,
        follower: Follower,
        on_unforeseen: Callable[[Exception], None],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._follower = follower
        self._on_unforeseen = on_unforeseen
        self._is_over = is_over
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="topfive-follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more, and take the report away; a load under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        while not (self._stopping.wait(LOOK_EVERY_S) or self._is_over()):
            self._guard(self._follower.step)
        self._guard(self._follower.withdraw)

    def _guard(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end it
            self._on_unforeseen(error)
