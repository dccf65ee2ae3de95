"""Threads take every task once, go on with what they are handed, and wait without work."""

from queue import SimpleQueue
from threading import Event, current_thread

from topfive.server.threads import Threads

WITHIN_S = 10


def test_every_task_is_taken_once() -> None:
    """More tasks than threads are all served, none of them twice."""
    served: SimpleQueue[int] = SimpleQueue()
    threads = Threads(3, served.put)
    threads.start()
    for task in range(100):
        threads.give(task)
    assert sorted(served.get(timeout=WITHIN_S) for _ in range(100)) == list(range(100))


def test_a_thread_goes_on_with_the_task_it_is_handed() -> None:
    """What `serve` returns is served by the same thread, at once."""
    seen: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def serve(task: int) -> int | None:
        seen.put((task, current_thread().name))
        return task - 1 if task else None

    threads = Threads(2, serve)
    threads.start()
    threads.give(3)
    found = [seen.get(timeout=WITHIN_S) for _ in range(4)]
    assert [task for task, _ in found] == [3, 2, 1, 0]
    assert len({name for _, name in found}) == 1


def test_who_became_idle_last_is_woken_first() -> None:
    """One task after the other is served by one thread, however many there are."""
    names: SimpleQueue[str] = SimpleQueue()
    threads = Threads(5, lambda _task: names.put(current_thread().name))
    threads.start()
    used = set()
    for _ in range(20):
        done = Event()
        threads.give(done)
        used.add(names.get(timeout=WITHIN_S))
        # It becomes idle a moment after it has put its name.
        done.wait(0.02)
    assert len(used) <= 2
