"""Objects that are created once, on stores that do it in ways of their own."""

import asyncio
import errno

import pytest

from topfive.bulk.results.bucket import create_object


class Store:
    """A store of objects that answers a condition with an error number."""

    def __init__(self, answers: int, **objects: bytes) -> None:
        self.answers = answers
        self.objects = objects

    async def _pipe_file(self, path: str, content: bytes, mode: str = "overwrite") -> None:
        if mode == "create" and self.answers:
            raise OSError(self.answers, "refused")
        self.objects[path] = content

    async def _exists(self, path: str) -> bool:
        return path in self.objects


def test_a_condition_that_is_not_named_is_understood() -> None:
    """A store that says only that a condition failed means that the object is there."""
    store = Store(errno.EINVAL, a=b"first")
    with pytest.raises(FileExistsError):
        asyncio.run(create_object(store, "a", b"second"))
    assert store.objects == {"a": b"first"}


def test_a_store_without_conditions_is_asked_first() -> None:
    """An object is put there if there is none, and otherwise not."""
    store = Store(errno.ENOSYS, a=b"first")
    asyncio.run(create_object(store, "b", b"new"))
    with pytest.raises(FileExistsError):
        asyncio.run(create_object(store, "a", b"second"))
    assert store.objects == {"a": b"first", "b": b"new"}


def test_any_other_error_stays_what_it_is() -> None:
    """It may be one that passes."""
    with pytest.raises(OSError, match="refused") as told:
        asyncio.run(create_object(Store(errno.EIO), "a", b""))
    assert told.value.errno == errno.EIO
