"""Batches: results in order, few pictures in memory, and what becomes of the rest."""

from collections.abc import Iterator
from threading import Event, Semaphore
from types import SimpleNamespace
from typing import Any

import pytest

from topfive.concurrency.limiter import Deadline
from topfive.errors import ClientDisconnected, EmptyFile, InvalidImage, MalformedRequest
from topfive.predictions import STANDARD_OPTIONS, ModelRef
from topfive.service.batch import Batches, BatchOptions

OPTIONS = BatchOptions(threads=2, picture_timeout_s=5.0, most_bytes=1000)


class Predictor:
    """Answers a picture with itself, when it may; what it was asked for is in `begun`."""

    def __init__(self) -> None:
        self.may_end = Semaphore(0)
        self.has_begun = Event()
        self.begun: list[bytes] = []
        self.leases = 0

    def lease(self, _options: Any) -> "Predictor":
        """Lease this one."""
        return self

    def __enter__(self) -> Any:
        self.leases += 1
        return SimpleNamespace(classifier=SimpleNamespace(ref=ModelRef("tiny", "1")))

    def __exit__(self, *_: object) -> None:
        self.leases -= 1

    def is_stand_in(self, _leased: Any) -> bool:
        """Tell that it is not."""
        return False

    def predict_leased(
        self, _leased: Any, picture: bytes, deadline: Deadline, _options: Any, is_abandoned: Any
    ) -> Any:
        """Wait until it may end, then answer; a picture `bad` fails, `fault` is a mistake."""
        self.begun.append(picture)
        self.has_begun.set()
        if is_abandoned():
            raise ClientDisconnected
        assert self.may_end.acquire(timeout=min(5.0, deadline.remaining_s))
        if picture == b"bad":
            raise InvalidImage
        if picture == b"fault":
            raise RuntimeError("a mistake of ours")
        return picture


@pytest.fixture
def predictor() -> Predictor:
    """A predictor that waits to be let."""
    return Predictor()


@pytest.fixture
def batches(predictor: Predictor) -> Iterator[Batches]:
    """Batches that are not about to stop."""
    made = Batches(predictor, OPTIONS, lambda: False)  # type: ignore[arg-type]
    yield made
    made.close()


def later() -> Deadline:
    """Make a deadline that no test meets."""
    return Deadline.after(30)


def let(predictor: Predictor, count: int) -> None:
    """Let so many pictures end."""
    for _ in range(count):
        predictor.may_end.release()


def test_results_come_in_the_order_of_the_pictures(batches: Batches, predictor: Predictor) -> None:
    """Whatever ends first, failures in place of pictures among them."""
    let(predictor, 4)
    pictures = [b"1", EmptyFile(), b"bad", b"3", b"4"]
    with batches.open(STANDARD_OPTIONS) as batch:
        found = list(batch.predict(pictures, later()))
    assert (batch.model, batch.is_degraded) == (ModelRef("tiny", "1"), False)
    assert [getattr(one, "code", one) for one in found] == [
        b"1", "empty_file", "invalid_image", b"3", b"4",
    ]  # fmt: skip
    assert predictor.leases == 0


def test_few_pictures_are_read_ahead(batches: Batches, predictor: Predictor) -> None:
    """Of a thousand pictures no more are read than twice as many as there are threads."""
    read: list[int] = []

    def pictures() -> Iterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield str(number).encode()

    with batches.open(STANDARD_OPTIONS) as batch:
        let(predictor, 3)
        results = batch.predict(pictures(), later())
        assert [next(results) for _ in range(3)] == [b"0", b"1", b"2"]
        assert len(read) <= 3 + 4
        let(predictor, 4)
    assert len(predictor.begun) <= 7


def test_of_large_pictures_fewer_are_read_ahead(batches: Batches, predictor: Predictor) -> None:
    """Bytes count too: two pictures of 600 bytes are more than 1,000."""
    read: list[bytes] = []

    def pictures() -> Iterator[bytes]:
        for number in range(9):
            read.append(bytes(600))
            if number == 1:
                let(predictor, 1)
            yield read[-1]

    with batches.open(STANDARD_OPTIONS) as batch:
        next(batch.predict(pictures(), later()))
        assert len(read) == 2
        let(predictor, 1)


def test_results_are_given_while_nothing_arrives(batches: Batches, predictor: Predictor) -> None:
    """A result that is ready is not kept until the next picture has come."""
    asked: list[int] = []

    def pictures() -> Iterator[bytes | None]:
        yield b"1"
        let(predictor, 1)
        while True:
            asked.append(1)
            yield None

    with batches.open(STANDARD_OPTIONS) as batch:
        assert next(batch.predict(pictures(), later())) == b"1"
    assert asked


def test_a_mistake_of_ours_fails_one_picture(
    batches: Batches, predictor: Predictor, capfd: pytest.CaptureFixture[str]
) -> None:
    """What nobody foresaw is logged, and the other pictures are answered."""
    let(predictor, 2)
    with batches.open(STANDARD_OPTIONS) as batch:
        fault, good = batch.predict([b"fault", b"1"], later())
    assert (fault.code, good) == ("internal_error", b"1")  # type: ignore[union-attr]
    assert "unforeseen_error" in capfd.readouterr().out


def test_what_has_not_begun_is_taken_back(batches: Batches, predictor: Predictor) -> None:
    """Whoever stops reading results has no further pictures classified."""
    with batches.open(STANDARD_OPTIONS) as batch:
        let(predictor, 1)
        results = batch.predict([b"1", b"2", b"3", b"4"], later())
        assert next(results) == b"1"
        let(predictor, 2)
    assert b"4" not in predictor.begun
    assert predictor.leases == 0


def test_a_client_that_has_gone_ends_the_batch(batches: Batches, predictor: Predictor) -> None:
    """No result is made for somebody who is not there."""
    with batches.open(STANDARD_OPTIONS) as batch, pytest.raises(ClientDisconnected):
        list(batch.predict([b"1", b"2"], later(), lambda: True))


def test_what_breaks_the_pictures_is_raised(batches: Batches) -> None:
    """A body that is broken ends the batch; nothing hangs."""

    def pictures() -> Iterator[bytes]:
        raise MalformedRequest
        yield b""

    with batches.open(STANDARD_OPTIONS) as batch, pytest.raises(MalformedRequest):
        list(batch.predict(pictures(), later()))


def test_a_service_that_is_about_to_stop_begins_no_picture(predictor: Predictor) -> None:
    """What has not begun by then is told to be tried again; all results are still given."""
    is_draining = [False]
    batches = Batches(predictor, OPTIONS, lambda: is_draining[0])  # type: ignore[arg-type]
    let(predictor, 1)
    with batches.open(STANDARD_OPTIONS) as batch:
        results = batch.predict(iter([b"1", None, b"2", b"3"]), later())
        assert next(results) == b"1"
        is_draining[0] = True
        assert [one.code for one in results] == ["shutting_down"] * 2  # type: ignore[union-attr]
    batches.close()


def test_a_picture_waits_no_longer_than_one_alone_would(predictor: Predictor) -> None:
    """The time of one picture is that of a single request, though a batch has more."""
    seen: list[float] = []
    options = BatchOptions(threads=1, picture_timeout_s=2.0, most_bytes=1000)

    def predict(_leased: Any, _picture: bytes, deadline: Deadline, *_: Any) -> Any:
        seen.append(deadline.remaining_s)
        return b"1"

    predictor.predict_leased = predict  # type: ignore[method-assign]
    batches = Batches(predictor, options, lambda: False)  # type: ignore[arg-type]
    with batches.open(STANDARD_OPTIONS) as batch:
        list(batch.predict([b"1"], later()))
        list(batch.predict([b"1"], Deadline.after(1)))
    batches.close()
    assert 1 < seen[0] <= 2
    assert seen[1] <= 1
