"""Where the desired state lies: in a file that the workers of a machine follow, or in Redis."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from topfive.errors import StateUnavailable
from topfive.redis_client import open_redis
from topfive.registry.atomic_file import write_atomically
from topfive.registry.state import DesiredState, format_state, parse_state

# Whoever holds the lock writes one small file.
_LOCK_WITHIN_S = 5.0
# What an order waits for Redis at the most, once; workers ask it apart from any request.
_REDIS_TIMEOUT_S = 1.0

Step = Callable[[DesiredState], DesiredState]


class StateStore(Protocol):
    """Holds the desired state; a state that nobody has written is the empty one."""

    def read(self) -> DesiredState:
        """Read the state; raises StateUnavailable."""
        ...

    def change(self, step: Step, known: DesiredState) -> DesiredState:
        """Replace the state by what `step` makes of it, while nobody else does; returns that.

        Where the store has lost it, `known` is the state. Raises StateUnavailable, and what `step`
        raises; then nothing has changed.
        """
        ...


class StateFile:
    """The state in a file of one machine, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[object, DesiredState] = (None, DesiredState())

    def read(self) -> DesiredState:
        """Read the state, if the file is another one than before."""
        try:
            about = self._path.stat()
            mark = (about.st_ino, about.st_mtime_ns, about.st_size)
            if mark != self._seen[0]:
                self._seen = mark, parse_state(self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return DesiredState()
        except OSError as error:
            raise StateUnavailable(f"{self._path} cannot be read: {error.strerror}.") from error
        return self._seen[1]

    def change(self, step: Step, known: DesiredState) -> DesiredState:
        """Replace the state under a lock that all processes of the machine share."""
        with self._locked():
            stored = self._read_or(DesiredState())
            state = step(newest(stored, known))
            if state != stored:
                self._write(state)
            return state

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(f"{self._path}.lock")
        try:
            lock.acquire(timeout=_LOCK_WITHIN_S)
        except (OSError, Timeout) as error:
            raise StateUnavailable(f"{lock.lock_file} cannot be locked: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def _read_or(self, otherwise: DesiredState) -> DesiredState:
        """Read the state; a file that holds none is replaced."""
        try:
            return self.read()
        except StateUnavailable:
            return otherwise

    def _write(self, state: DesiredState) -> None:
        try:
            write_atomically(self._path, format_state(state), is_durable=True)
        except OSError as error:
            raise StateUnavailable(f"{self._path} cannot be written: {error.strerror}.") from error


class RedisState:
    """The state under one key of Redis or Valkey, for several machines."""

    def __init__(self, client: Any, key: str) -> None:
        self._client = client
        self._key = key

    def read(self) -> DesiredState:
        """Read the state; raises StateUnavailable where Redis does not answer in time."""
        with telling_outages():
            return self._parse(self._client.get(self._key))

    def change(self, step: Step, known: DesiredState) -> DesiredState:
        """Replace the state unless another has meanwhile; then `step` is tried on that one."""

        def attempt(pipe: Any) -> DesiredState:
            stored = self._parse(pipe.get(self._key))
            state = step(newest(stored, known))
            pipe.multi()
            if state != stored:
                pipe.set(self._key, format_state(state))
            return state

        with telling_outages():
            state: DesiredState = self._client.transaction(
                attempt, self._key, value_from_callable=True
            )
            return state

    def _parse(self, text: bytes | None) -> DesiredState:
        return DesiredState() if text is None else parse_state(text, f"The key {self._key}")


def newest(stored: DesiredState, known: DesiredState) -> DesiredState:
    """Take the later of two states, so that a store that has lost its content gets it back."""
    return stored if stored.generation >= known.generation else known


def open_state_redis(url: str) -> Any:
    """Make a client of Redis or Valkey; one that is away is noticed when it is first used."""
    return open_redis(url, _REDIS_TIMEOUT_S)


@contextmanager
def telling_outages() -> Iterator[None]:
    """Raise StateUnavailable for what Redis' library raises; its text may hold a password."""
    from redis import RedisError  # noqa: PLC0415 - as above

    try:
        yield
    except (RedisError, OSError) as error:
        raise StateUnavailable(
            f"The store of TOPFIVE_MODEL_STATE does not answer ({type(error).__name__})."
        ) from error
