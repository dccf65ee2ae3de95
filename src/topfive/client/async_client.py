"""The client for programs with an event loop of asyncio."""

from asyncio import sleep, timeout, to_thread
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Self, TypeVar

import httpx

from topfive.client import answers
from topfive.client.answers import Answer, Collecting, LineSplitter
from topfive.client.batches import BatchRun
from topfive.client.calls import (
    HEALTH,
    INFO,
    MODELS,
    Call,
    PredictOptions,
    batch_call,
    predict_call,
)
from topfive.client.errors import ClientError
from topfive.client.pictures import (
    MOST_PICTURE_BYTES,
    Picture,
    ReadPicture,
    grouped_async,
    read_picture,
)
from topfive.client.results import Health, Limits, Models, PictureResult, Prediction
from topfive.client.retries import Tries
from topfive.client.transport import connection_options, failing_plainly, find_service

ResultT = TypeVar("ResultT")


class AsyncClient:
    """Asks the service at `url`, as `Client` does, without blocking the event loop.

    Close it with `aclose`, or use it in an `async with` statement; tasks may share one. What it is
    made with is described at `Client`. Files are read in threads.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:5000",
        *,
        key: str = "",
        timeout_s: float = 60.0,
        batch_timeout_s: float = 300.0,
        retries: int = 5,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._service = find_service(url, key, timeout_s, batch_timeout_s, retries)
        self._is_own = http is None
        self._http = http or httpx.AsyncClient(**connection_options(self._service.url))
        self._limits: Limits | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        if self._is_own:
            await self._http.aclose()

    async def health(self) -> Health:
        """Ask how the service is; `unavailable` is an answer like the others."""
        return await self._ask(HEALTH, answers.health_of)

    async def models(self) -> Models:
        """Ask for all models and routes."""
        return await self._ask(MODELS, answers.models_of)

    async def predict(
        self,
        picture: Picture,
        *,
        top_k: int | None = None,
        model: str | None = None,
        version: str | None = None,
        heatmap: bool = False,
        route_key: str = "",
    ) -> Prediction:
        """Classify one picture: a path, the bytes of a file, or a file that is open in binary mode.

        Raises ClientError, whose `code` says why there is no prediction.
        """
        options = PredictOptions(top_k, model, version, heatmap, route_key)
        data = await to_thread(read_picture, picture, MOST_PICTURE_BYTES)
        return await self._ask(predict_call(data, options), answers.prediction_of)

    async def predict_many(
        self,
        pictures: Iterable[Picture] | AsyncIterable[Picture],
        *,
        top_k: int | None = None,
        model: str | None = None,
        version: str | None = None,
        heatmap: bool = False,
        route_key: str = "",
    ) -> AsyncGenerator[PictureResult, None]:
        """Classify any number of pictures, as `Client.predict_many` does.

        Whoever does not want all results closes the generator (`contextlib.aclosing`); that ends
        the request too.
        """
        options = PredictOptions(top_k, model, version, heatmap, route_key)
        limits, most = await self._known_limits(), options.most_pictures()
        async with aclosing(grouped_async(pictures, limits, most)) as groups:
            async for group in groups:
                async with aclosing(self._classify(group, options)) as results:
                    async for result in results:
                        yield result

    async def _known_limits(self) -> Limits:
        if self._limits is None:
            self._limits = await self._ask(INFO, answers.limits_of)
        return self._limits

    async def _classify(
        self, pictures: list[ReadPicture], options: PredictOptions
    ) -> AsyncGenerator[PictureResult, None]:
        run = BatchRun(pictures, self._service.batch_tries())
        for result in run.ready():
            yield result
        while sent := run.next_to_send():
            try:
                if len(sent) > 1:
                    async with aclosing(self._stream(batch_call(sent, options), run)) as results:
                        async for result in results:
                            yield result
                else:
                    call = predict_call(sent[0].data, options)
                    run.take_only(answers.prediction_of(await self._answer(call, run.tries)))
            except ClientError as error:
                await sleep(run.pause_after(error))
            for result in run.ready():
                yield result

    async def _stream(self, call: Call, run: BatchRun) -> AsyncGenerator[PictureResult, None]:
        async with self._open(call, run.tries) as response:
            is_good = response.status_code < 300
            body = b"" if is_good else await _collect(response)
            run.begin_answer(answers.batch_head(self._service.answer(response, body)))
            splitter = LineSplitter()
            async for piece in response.aiter_raw():
                for line in splitter.feed(piece):
                    run.take(line)
                for result in run.ready():
                    yield result
                run.require_progress()
        run.end_answer()

    async def _ask(self, call: Call, read: Callable[[Answer], ResultT]) -> ResultT:
        tries = self._service.tries()
        while True:
            try:
                return read(await self._answer(call, tries))
            except ClientError as error:
                await sleep(tries.pause_after(error))

    async def _answer(self, call: Call, tries: Tries) -> Answer:
        with tries.ending_in_time():
            async with timeout(tries.left_s()), self._open(call, tries) as response:
                return self._service.answer(response, await _collect(response))

    @asynccontextmanager
    async def _open(self, call: Call, tries: Tries) -> AsyncIterator[httpx.Response]:
        with failing_plainly(self._service.url):
            arguments = self._service.request(call, tries, _body(call, tries))
            request = self._http.build_request(**arguments)
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                yield response
            finally:
                await response.aclose()


async def _body(call: Call, tries: Tries) -> AsyncIterator[bytes]:
    for piece in call.pieces():
        tries.left_s()
        yield piece


async def _collect(response: httpx.Response) -> bytes:
    collecting = Collecting()
    async for piece in response.aiter_raw():
        collecting.add(piece)
    return collecting.whole()
