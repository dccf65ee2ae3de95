"""Both clients under one interface, so that each test is one for both."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from topfive.client import AsyncClient, Client, PictureResult


class BlockingAsyncClient:
    """An `AsyncClient` in an event loop of its own, whose methods wait for their results."""

    def __init__(self, runner: asyncio.Runner, url: str, **options: Any) -> None:
        self._runner = runner
        self._client = runner.run(self._open(url, options))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._runner.run(method(*arguments, **options))

    def predict_many(self, pictures: Iterable[Any], **options: Any) -> Iterator[PictureResult]:
        """Give the results one by one; the generator is closed with this one."""
        results = self._client.predict_many(_drip(pictures), **options)
        try:
            while True:
                yield self._runner.run(anext(results))  # type: ignore[arg-type]
        except StopAsyncIteration:
            return
        finally:
            self._runner.run(results.aclose())

    @staticmethod
    async def _open(url: str, options: dict[str, Any]) -> AsyncClient:
        return AsyncClient(url, **options)


@contextmanager
def open_either(kind: str, url: str, **options: Any) -> Iterator[Any]:
    """Open the client of that kind, `sync` or `async`."""
    if kind == "sync":
        with Client(url, **options) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        client = BlockingAsyncClient(runner, url, **options)
        yield client
        client.aclose()


async def _drip(pictures: Iterable[Any]) -> AsyncIterator[Any]:
    for picture in pictures:
        yield picture
