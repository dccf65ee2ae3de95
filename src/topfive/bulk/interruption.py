"""What ends a run from outside: Ctrl-C, SIGTERM, and a terminal that is closed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_as_by_keyboard() -> Iterator[None]:
    """Have the other signals raise what Ctrl-C does; Ray's own handler would print where it was."""
    former = {one: signal.signal(one, signal.default_int_handler) for one in _ENDS}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


@contextmanager
def held_signals() -> Iterator[None]:
    """Keep signals until the block ends, where it would leave half of what it starts behind."""
    held: list[int] = []
    former = {
        one: signal.signal(one, lambda number, _frame: held.append(number))
        for one in (signal.SIGINT, *_ENDS)
    }
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)
    if held:
        raise KeyboardInterrupt
