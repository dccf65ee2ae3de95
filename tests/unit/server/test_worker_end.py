"""However a worker ends, its service is closed."""

import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from topfive.server.adapter import Worker


def _worker(turn: Callable[[], None], closed: list[str]) -> Worker:
    service = SimpleNamespace(close=lambda: closed.append("service"))
    loop = SimpleNamespace(start=lambda _: None, requests=0)
    worker = Worker.__new__(Worker)
    worker.wsgi = SimpleNamespace(service=service)
    worker.alive, worker.ppid, worker.PIPE, worker.max_requests = True, os.getppid(), (0, 0), 10
    worker._open_loop = lambda _service: loop
    worker._turn = lambda _loop, _service: turn()
    worker._stop = lambda _loop, _service: closed.append("loop")
    return worker


def test_a_worker_that_is_told_to_stop_closes_its_service() -> None:
    """Everyone is answered first; then recovery stops and the model's memory is given back."""
    closed: list[str] = []
    worker = _worker(lambda: setattr(worker, "alive", False), closed)
    worker.run()
    assert closed == ["loop", "service"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, OSError])
def test_a_worker_that_is_cut_short_closes_its_service(error: type[BaseException]) -> None:
    """A quick stop, or a fault in the loop, leaves no recovery running."""
    closed: list[str] = []

    def turn() -> None:
        raise error

    with pytest.raises(error):
        _worker(turn, closed).run()
    assert closed == ["service"]
