"""Workers leave new connections to whoever has fewer, and end a kept one where that evens out."""

from itertools import pairwise
from mmap import mmap

import pytest

from topfive.server.balance import Balance, clear, make_board


class Clock:
    """A monotonic clock that tests set."""

    now_s = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that balances go by."""
    one = Clock()
    monkeypatch.setattr("topfive.server.balance.monotonic", one)
    return one


def workers_with(board: mmap, *connections: int) -> list[Balance]:
    """Make workers, numbered from 1 as Gunicorn does, with so many connections each."""
    workers = [Balance(board, number) for number in range(1, len(connections) + 1)]
    for worker, count in zip(workers, connections, strict=True):
        worker.note(count)
    return workers


@pytest.mark.parametrize(
    ("connections", "above"),
    [
        ((0,), [False]),
        ((1000,), [False]),
        ((0, 0), [False, False]),
        ((1, 0), [True, False]),
        ((3, 3, 3), [False, False, False]),
        ((3, 4, 5), [False, True, True]),
        ((5, 0, 5), [True, False, True]),
        ((4, 5), [False, False]),
        ((4, 6), [False, True]),
        ((100, 125), [False, False]),
        ((100, 126), [False, True]),
    ],
)
def test_who_has_more_than_another_leaves_new_ones_to_it(
    connections: tuple[int, ...], above: list[bool]
) -> None:
    """Among few connections each counts; among many a quarter more is let be."""
    workers = workers_with(make_board(), *connections)
    assert [one.is_above_others() for one in workers] == above


@pytest.mark.parametrize(
    ("own", "other", "ends"), [(5, 5, False), (5, 4, False), (5, 3, True), (3, 5, False)]
)
def test_a_kept_connection_ends_only_where_that_evens_things_out(
    clock: Clock, own: int, other: int, ends: bool
) -> None:
    """One more than another is as even as can be; from two on one may move."""
    assert workers_with(make_board(), own, other)[0].should_end_one() == ends


def test_kept_connections_are_not_all_ended_at_once(clock: Clock) -> None:
    """One is ended, and the next only after others could have taken it up."""
    worker = workers_with(make_board(), 9, 0)[0]
    ended_s = []
    for _ in range(1000):
        if worker.should_end_one():
            ended_s.append(clock.now_s)
        clock.now_s += 0.001
    assert 10 <= len(ended_s) <= 20
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(ended_s))


def test_a_worker_that_accepts_no_more_counts_no_longer() -> None:
    """Nobody leaves connections to a worker that stops."""
    stopping, other = workers_with(make_board(), 0, 7)
    assert other.is_above_others()
    stopping.leave()
    assert not other.is_above_others()


def test_a_worker_that_has_ended_counts_no_longer() -> None:
    """The parent takes a worker off the board that cannot do so itself any more."""
    board = make_board()
    other = workers_with(board, 0, 7)[1]
    clear(board, 1)
    assert not other.is_above_others()


def test_a_new_worker_has_no_connections_yet() -> None:
    """A worker that takes another's place on the board begins at zero."""
    board = make_board()
    other = workers_with(board, 9, 7)[1]
    Balance(board, 1 + 128)
    assert other.is_above_others()


def test_workers_beyond_the_board_share_places() -> None:
    """However high a worker's number is, it has a place."""
    board = make_board()
    for number in (127, 128, 129, 100_000):
        Balance(board, number).note(3)
        clear(board, number)
    assert bytes(board[:]) == bytes(len(board))
