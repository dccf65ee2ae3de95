"""The cache: what was answered is kept, and the same picture at the same moment is one's work."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Protocol

from topfive.cache.answers import Answer, BrokenEntry, Question, answer_key, read_entry, write_entry
from topfive.cache.flights import Flight, Flights
from topfive.cache.guarded import GuardedStore
from topfive.errors import DeadlineExceeded
from topfive.predictions import CacheStatus, CacheUse, PictureHash

# Nearly all work takes a fraction of it: a claim that is still there may well have no end.
_MOST_CLAIMED_S = 5.0


@dataclass(slots=True)
class Lookup:
    """What a cache says to a question; without an `answer` it is to be found, and then kept."""

    answer: Answer | None
    status: CacheStatus
    put: Callable[[Answer], bool] = field(default=lambda _: False, repr=False)

    def keep(self, answer: Answer) -> CacheStatus:
        """Keep the answer that was found; returns what became of it."""
        if self.put(answer) and self.status is CacheStatus.MISS:
            self.status = CacheStatus.STORED
        return self.status


class Caching(Protocol):
    """What the service asks of a cache."""

    is_on: bool

    def lookup(
        self,
        picture: PictureHash,
        question: Question,
        use: CacheUse,
        until_s: float,
        *,
        joins: bool = True,
    ) -> AbstractContextManager[Lookup]:
        """Look for an answer; where another works on it, wait until the clock says `until_s`.

        With `joins` false it is not waited for, and nobody waits for what is found here. Raises
        DeadlineExceeded, and what the other found wrong with the picture.
        """
        ...

    def used_bytes(self) -> int:
        """Tell how much of this machine's memory the answers take."""
        ...

    def close(self) -> None:
        """Give back what this process holds; answers stay."""
        ...


class NoCache:
    """Stands in where nothing is kept."""

    is_on = False

    def lookup(
        self,
        _picture: PictureHash,
        _question: Question,
        _use: CacheUse,
        _until_s: float,
        *,
        joins: bool = True,  # noqa: ARG002 - as the cache has it
    ) -> AbstractContextManager[Lookup]:
        """Find nothing."""
        return nullcontext(Lookup(None, CacheStatus.NONE))

    def used_bytes(self) -> int:
        """Tell that nothing is kept."""
        return 0

    def close(self) -> None:
        """Do nothing."""


class Cache:
    """Keeps answers in a store that processes share; safe to call from many threads."""

    is_on = True

    def __init__(self, store: GuardedStore) -> None:
        self._store = store
        self._flights = Flights()

    @contextmanager
    def lookup(
        self,
        picture: PictureHash,
        question: Question,
        use: CacheUse,
        until_s: float,
        *,
        joins: bool = True,
    ) -> Iterator[Lookup]:
        """Look for an answer; where another works on it, wait until the clock says `until_s`.

        Whoever finds no answer finds it within the block, and others wait for that; with `joins`
        false they do not, nor does this one. Raises DeadlineExceeded, and what the other found
        wrong with the picture.
        """
        if use is CacheUse.NONE:
            yield Lookup(None, CacheStatus.BYPASSED)
            return
        key = answer_key(picture.digest(), question)
        if use is CacheUse.REFRESH:
            yield Lookup(None, CacheStatus.BYPASSED, lambda answer: self._put(key, answer))
            return
        found = self._find(key)
        if found is not None:
            yield Lookup(found, CacheStatus.HIT)
            return
        if not joins:
            yield Lookup(None, CacheStatus.MISS, lambda answer: self._put(key, answer))
            return
        with self._flown(key, until_s) as lookup:
            yield lookup

    def used_bytes(self) -> int:
        """Tell how much of this machine's memory the answers take."""
        return self._store.used_bytes()

    def close(self) -> None:
        """Give back what this process holds; answers stay."""
        self._store.close()

    @contextmanager
    def _flown(self, key: bytes, until_s: float) -> Iterator[Lookup]:
        flight, is_ours = self._flights.join(key)
        while not is_ours:
            answer = flight.wait(until_s)
            if answer is not None:
                yield Lookup(answer, CacheStatus.COLLAPSED)
                return
            # Whoever worked on it has given up: one of those who waited does it now.
            flight, is_ours = self._flights.join(key)
        failure: BaseException | None = None
        try:
            with self._claimed(key, flight, until_s) as lookup:
                yield lookup
        except BaseException as error:
            failure = error
            raise
        finally:
            self._flights.end(key)
            flight.land(None, failure)

    @contextmanager
    def _claimed(self, key: bytes, flight: Flight, until_s: float) -> Iterator[Lookup]:
        """Work on an answer that no other process works on; or wait for that one's."""
        found = self._wait_for_claim(key, until_s)
        if found is not None:
            flight.land(found.answer)
            yield found
            return

        def put(answer: Answer) -> bool:
            is_kept = self._put(key, answer)
            flight.land(answer)
            return is_kept

        try:
            yield Lookup(None, CacheStatus.MISS, put)
        finally:
            self._store.release(key)

    def _wait_for_claim(self, key: bytes, until_s: float) -> Lookup | None:
        """Return what another process has found; None once it is for this one to find."""
        status = CacheStatus.HIT
        patient_until_s = monotonic() + _MOST_CLAIMED_S
        while True:
            is_ours = self._store.claim(key)
            # After the claim: another may have put it between the first look and this one.
            answer = self._find(key)
            if answer is not None:
                if is_ours:
                    self._store.release(key)
                return Lookup(answer, status)
            now_s = monotonic()
            if is_ours or patient_until_s <= now_s < until_s:
                return None
            if now_s >= until_s:
                raise DeadlineExceeded
            status = CacheStatus.COLLAPSED
            sleep(self._store.poll_s)

    def _find(self, key: bytes) -> Answer | None:
        entry = self._store.get(key)
        if entry is None:
            return None
        try:
            return read_entry(key, entry)
        except BrokenEntry:
            self._store.drop(key)
            return None

    def _put(self, key: bytes, answer: Answer) -> bool:
        return self._store.put(key, write_entry(key, answer))
