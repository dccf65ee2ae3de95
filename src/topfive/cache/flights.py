"""Single flight in one process: of threads that want the same answer, one works and others wait."""

from threading import Event, Lock
from time import monotonic

from topfive.cache.answers import Answer
from topfive.errors import (
    DeadlineExceeded,
    EmptyFile,
    Failure,
    FileTooLarge,
    ImageTooLarge,
    InvalidImage,
    UnsupportedFormat,
)

# What the picture itself is to blame for: whoever sent the same one is told the same.
_OF_THE_PICTURE = (EmptyFile, FileTooLarge, ImageTooLarge, InvalidImage, UnsupportedFormat)


class Flight:
    """One answer that is being worked on."""

    def __init__(self) -> None:
        self._landed = Event()
        self._answer: Answer | None = None
        self._failure: Failure | None = None

    def wait(self, until_s: float) -> Answer | None:
        """Wait until the monotonic clock says `until_s`; None where the one who worked gave up.

        Raises DeadlineExceeded, and what is wrong with the picture.
        """
        if not self._landed.wait(max(0.0, until_s - monotonic())):
            raise DeadlineExceeded
        if self._failure is not None:
            raise type(self._failure)(self._failure.detail)
        return self._answer

    def land(self, answer: Answer | None, failure: BaseException | None = None) -> None:
        """Let those who wait go on; further calls change nothing."""
        if not self._landed.is_set():
            self._answer = answer
            self._failure = failure if isinstance(failure, _OF_THE_PICTURE) else None
            self._landed.set()


class Flights:
    """The answers that are being worked on in this process; safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: dict[bytes, Flight] = {}

    def join(self, key: bytes) -> tuple[Flight, bool]:
        """Return the work on an answer, and whether it is for the caller to do and to end."""
        with self._lock:
            found = self._under_way.get(key)
            if found is not None:
                return found, False
            flight = self._under_way[key] = Flight()
            return flight, True

    def end(self, key: bytes) -> None:
        """Let the next who joins begin anew."""
        with self._lock:
            self._under_way.pop(key, None)
