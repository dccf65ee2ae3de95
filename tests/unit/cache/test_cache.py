"""What is answered from a cache, what is kept in it, and who works while others wait."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Lock, Semaphore

import pytest

from tests.unit.cache.children import start_child
from tests.unit.cache.samples import QUESTION, MemoryStore, answer
from topfive.cache import cache
from topfive.cache.answers import answer_key
from topfive.cache.cache import Cache, NoCache
from topfive.cache.flights import Flight
from topfive.cache.guarded import CacheEvents, GuardedStore
from topfive.cache.limits import LEAST_BYTES
from topfive.cache.shared_memory import SharedMemoryStore
from topfive.errors import ClientDisconnected, DeadlineExceeded, InvalidImage, Overloaded
from topfive.predictions import CacheStatus, CacheUse, PictureHash

PICTURE = PictureHash(b"picture")
KEY = answer_key(PICTURE.digest(), QUESTION)


class Asking:
    """Asks a cache about one picture, and counts how often the answer had to be found."""

    def __init__(self, store):
        self.broken = 0
        self.cache = Cache(GuardedStore(store, CacheEvents(on_broken=self._note_broken)))
        self.found = 0
        self._lock = Lock()

    def ask(self, use=CacheUse.ALLOWED, work=lambda: None, within_s=10.0):
        """Ask for the answer; returns it and how it came about."""
        until_s = time.monotonic() + within_s
        with self.cache.lookup(PICTURE, QUESTION, use, until_s) as lookup:
            if lookup.answer is not None:
                return lookup.answer, lookup.status
            with self._lock:
                self.found += 1
            work()
            lookup.keep(answer())
            return answer(), lookup.status

    def status(self, use=CacheUse.ALLOWED):
        """Ask; tells how the answer came about."""
        return self.ask(use)[1]

    def _note_broken(self):
        self.broken += 1


@pytest.fixture
def asking():
    """Ask a cache whose store is a dictionary."""
    return Asking(MemoryStore())


def test_the_second_to_ask_is_answered_from_the_cache(asking):
    """With what was found for the first."""
    assert [asking.status() for _ in range(3)] == [
        CacheStatus.STORED, CacheStatus.HIT, CacheStatus.HIT,
    ]  # fmt: skip
    assert asking.ask()[0] == answer()
    assert asking.found == 1


def test_what_must_not_be_stored_leaves_no_trace():
    """Neither is it looked for."""
    store = MemoryStore()
    asking = Asking(store)
    assert asking.status(CacheUse.NONE) is CacheStatus.BYPASSED
    assert store.asked == []


def test_a_refresh_is_worked_on_anew_and_kept(asking):
    """It is not answered from what is kept."""
    assert asking.status() is CacheStatus.STORED
    assert asking.status(CacheUse.REFRESH) is CacheStatus.BYPASSED
    assert asking.found == 2
    assert asking.status() is CacheStatus.HIT


def test_a_refresh_alone_is_kept(asking):
    """The next is answered from it."""
    assert asking.status(CacheUse.REFRESH) is CacheStatus.BYPASSED
    assert asking.status() is CacheStatus.HIT


def test_a_broken_entry_is_dropped_and_found_anew():
    """It is counted, and nobody gets it."""
    store = MemoryStore({KEY: b"poisoned"})
    asking = Asking(store)
    assert asking.status() is CacheStatus.STORED
    assert asking.broken >= 1
    assert asking.status() is CacheStatus.HIT


def test_without_a_cache_all_is_found_each_time():
    """And nothing is said of a cache."""
    with NoCache().lookup(PICTURE, QUESTION, CacheUse.ALLOWED, 0.0) as lookup:
        assert (lookup.answer, lookup.keep(answer())) == (None, CacheStatus.NONE)
    assert not NoCache.is_on


@pytest.mark.parametrize("failing", [{"get"}, {"put"}, {"claim"}, {"get", "put", "claim"}])
def test_a_store_that_fails_costs_no_answer(failing):
    """It is found each time, and nobody is told that it was kept."""
    asking = Asking(MemoryStore(failing=failing))
    assert {asking.status() for _ in range(3)} <= {CacheStatus.MISS, CacheStatus.STORED}
    assert asking.found >= 1


@pytest.fixture
def waiting(monkeypatch):
    """Note who waits for another's work; returns a call that waits until so many do."""
    noted = Semaphore(0)
    wait = Flight.wait

    def noting_wait(flight, until_s):
        noted.release()
        return wait(flight, until_s)

    monkeypatch.setattr(Flight, "wait", noting_wait)
    return lambda count: [noted.acquire(timeout=30) for _ in range(count)]


@pytest.mark.parametrize("failing", [set(), {"get", "put", "claim"}])
def test_of_a_hundred_at_once_one_works(failing, waiting):
    """All others wait for it, and get what it has found, even where nothing can be kept."""
    asking = Asking(MemoryStore(failing=failing))
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(asking.ask, work=lambda: waiting(99)) for _ in range(100)]
        answered = [one.result() for one in asked]
    assert asking.found == 1
    assert {one for one, _ in answered} == {answer()}
    statuses = [status for _, status in answered]
    assert statuses.count(CacheStatus.COLLAPSED) == 99
    assert (CacheStatus.MISS if failing else CacheStatus.STORED) in statuses


def test_who_waits_hears_what_is_wrong_with_the_picture(asking, waiting):
    """It is not decoded again for each of them."""

    def fail():
        waiting(7)
        raise InvalidImage("It ends in the middle.")

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(asking.ask, work=fail) for _ in range(8)]:
            with pytest.raises(InvalidImage, match="ends in the middle"):
                one.result()
    assert asking.found == 1


@pytest.mark.parametrize("failure", [ClientDisconnected, Overloaded, DeadlineExceeded, ValueError])
def test_who_waits_takes_over_from_one_who_gives_up(failure, asking, waiting):
    """That one's own trouble is nobody else's."""

    def give_up():
        waiting(3)
        raise failure

    with ThreadPoolExecutor(4) as pool:
        began = Event()
        first = pool.submit(asking.ask, work=lambda: (began.set(), give_up()))
        assert began.wait(30)
        others = [pool.submit(asking.ask) for _ in range(3)]
        with pytest.raises(failure):
            first.result()
        statuses = [one.result()[1] for one in others]
    assert statuses.count(CacheStatus.STORED) == 1
    assert asking.found == 2


def test_who_joins_nobody_waits_for_nobody(asking):
    """And nobody waits for that one: each finds the answer, and it is kept."""
    until_s = time.monotonic() + 10
    look = partial(asking.cache.lookup, PICTURE, QUESTION, CacheUse.ALLOWED, until_s, joins=False)
    with look() as first, look() as second:
        assert first.answer is second.answer is None
        assert asking.status() is CacheStatus.STORED
        assert first.keep(answer()) is second.keep(answer()) is CacheStatus.STORED
    with look() as third:
        assert third.status is CacheStatus.HIT


def test_nobody_waits_longer_than_asked(asking):
    """Whoever works may take longer."""
    began, go_on = Event(), Event()

    def work():
        began.set()
        go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(asking.ask, work=work)
        assert began.wait(10)
        with pytest.raises(DeadlineExceeded):
            asking.ask(within_s=0.05)
        go_on.set()
        assert first.result()[1] is CacheStatus.STORED


def test_what_another_process_works_on_is_waited_for():
    """Its answer is taken from the store as soon as it is there."""
    store = MemoryStore(claims={KEY})
    asking, other = Asking(store), Asking(MemoryStore())
    other.ask()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asking.ask)
        while store.asked.count("claim") < 3:
            time.sleep(0.001)
        store.entries[KEY] = other.cache._store.get(KEY)
        assert waiting.result() == (answer(), CacheStatus.COLLAPSED)
    assert asking.found == 0


def test_what_another_process_works_on_is_not_waited_for_longer_than_asked():
    """Its claim is left alone."""
    asking = Asking(MemoryStore(claims={KEY}))
    with pytest.raises(DeadlineExceeded):
        asking.ask(within_s=0.01)
    assert asking.found == 0


def test_a_claim_without_an_end_is_not_waited_for_until_time_is_up(monkeypatch):
    """The answer is found here, kept, and the claim is given up."""
    monkeypatch.setattr(cache, "_MOST_CLAIMED_S", 0.05)
    asking = Asking(MemoryStore(claims={KEY}))
    assert [asking.status() for _ in range(2)] == [CacheStatus.STORED, CacheStatus.HIT]
    assert asking.found == 1


def test_a_process_that_dies_at_work_is_followed_at_once(tmp_path: Path):
    """Its claim ends with it, and who waits for its answer finds it."""
    store = SharedMemoryStore(tmp_path, LEAST_BYTES)
    store.prepare()
    asking = Asking(store)
    with start_child(work_for_ever, tmp_path) as child, ThreadPoolExecutor(1) as pool:
        end_s = time.monotonic() + 30
        while store.claim(KEY):
            store.release(KEY)
            assert time.monotonic() < end_s
            time.sleep(0.01)
        waiting = pool.submit(asking.ask, within_s=30)
        time.sleep(0.05)
        assert asking.found == 0
        child.kill()
        assert waiting.result()[1] is CacheStatus.STORED
    store.close()


def work_for_ever(folder):
    """Work on the answer until killed."""
    asking = Asking(SharedMemoryStore(Path(folder), LEAST_BYTES))
    asking.ask(work=lambda: time.sleep(60))


def test_processes_that_ask_at_once_find_an_answer_once(tmp_path: Path):
    """Of several processes with several threads each, one works."""
    SharedMemoryStore(tmp_path, LEAST_BYTES).prepare()
    children = [start_child(ask_at_once, tmp_path) for _ in range(3)]
    (tmp_path / "go").touch()
    told = [child.communicate(timeout=60)[0].strip() for child in children]
    assert sorted(told) == ["0", "0", "1"]


def ask_at_once(folder):
    """Ask by twenty threads; tells how often the answer had to be found."""
    asking = Asking(SharedMemoryStore(Path(folder), LEAST_BYTES))
    while not (Path(folder) / "go").exists():
        time.sleep(0.001)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: asking.ask(work=lambda: time.sleep(0.05)), range(20)))
    return asking.found
