"""The client for programs without an event loop."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import sleep
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
    grouped,
    read_picture,
)
from topfive.client.results import Health, Limits, Models, PictureResult, Prediction
from topfive.client.retries import Tries
from topfive.client.transport import connection_options, failing_plainly, find_service

ResultT = TypeVar("ResultT")


class Client:
    """Asks the service at `url`; close it, or use it in a `with` statement.

    Threads may share one. `timeout_s` is the time for one call, its retries and waits included; of
    a batch it is `batch_timeout_s` for each step forward. A call is tried again at most `retries`
    times: where the connection fails, and where the service asks to come back later. `http` is
    a client of httpx of one's own, as for a proxy or a certificate; it is not closed.
    Raises ValueError for what cannot be an address or a key.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:5000",
        *,
        key: str = "",
        timeout_s: float = 60.0,
        batch_timeout_s: float = 300.0,
        retries: int = 5,
        http: httpx.Client | None = None,
    ) -> None:
        self._service = find_service(url, key, timeout_s, batch_timeout_s, retries)
        self._is_own = http is None
        self._http = http or httpx.Client(**connection_options(self._service.url))
        self._limits: Limits | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        if self._is_own:
            self._http.close()

    def health(self) -> Health:
        """Ask how the service is; `unavailable` is an answer like the others."""
        return self._ask(HEALTH, answers.health_of)

    def models(self) -> Models:
        """Ask for all models and routes."""
        return self._ask(MODELS, answers.models_of)

    def predict(
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
        data = read_picture(picture, MOST_PICTURE_BYTES)
        return self._ask(predict_call(data, options), answers.prediction_of)

    def predict_many(
        self,
        pictures: Iterable[Picture],
        *,
        top_k: int | None = None,
        model: str | None = None,
        version: str | None = None,
        heatmap: bool = False,
        route_key: str = "",
    ) -> Iterator[PictureResult]:
        """Classify any number of pictures; gives the results in order, each as soon as it is there.

        They are sent in batches as large as the service takes, and one by one where it takes none.
        A picture that cannot be read or classified has the error in its result. Raises ClientError
        where the service or what was asked of it is the cause.
        """
        options = PredictOptions(top_k, model, version, heatmap, route_key)
        for group in grouped(pictures, self._known_limits(), options.most_pictures()):
            yield from self._classify(group, options)

    def _known_limits(self) -> Limits:
        if self._limits is None:
            self._limits = self._ask(INFO, answers.limits_of)
        return self._limits

    def _classify(
        self, pictures: list[ReadPicture], options: PredictOptions
    ) -> Iterator[PictureResult]:
        run = BatchRun(pictures, self._service.batch_tries())
        yield from run.ready()
        while sent := run.next_to_send():
            try:
                if len(sent) > 1:
                    yield from self._stream(batch_call(sent, options), run)
                else:
                    call = predict_call(sent[0].data, options)
                    run.take_only(answers.prediction_of(self._answer(call, run.tries)))
            except ClientError as error:
                sleep(run.pause_after(error))
            yield from run.ready()

    def _stream(self, call: Call, run: BatchRun) -> Iterator[PictureResult]:
        with self._open(call, run.tries) as response:
            is_good = response.status_code < 300
            body = b"" if is_good else _collect(response, run.tries)
            run.begin_answer(answers.batch_head(self._service.answer(response, body)))
            splitter = LineSplitter()
            for piece in response.iter_raw():
                for line in splitter.feed(piece):
                    run.take(line)
                yield from run.ready()
                run.require_progress()
        run.end_answer()

    def _ask(self, call: Call, read: Callable[[Answer], ResultT]) -> ResultT:
        tries = self._service.tries()
        while True:
            try:
                return read(self._answer(call, tries))
            except ClientError as error:
                sleep(tries.pause_after(error))

    def _answer(self, call: Call, tries: Tries) -> Answer:
        with self._open(call, tries) as response:
            return self._service.answer(response, _collect(response, tries))

    @contextmanager
    def _open(self, call: Call, tries: Tries) -> Iterator[httpx.Response]:
        with failing_plainly(self._service.url):
            arguments = self._service.request(call, tries, _body(call, tries))
            request = self._http.build_request(**arguments)
            response = self._http.send(request, stream=True, follow_redirects=False)
            try:
                yield response
            finally:
                response.close()


def _body(call: Call, tries: Tries) -> Iterator[bytes]:
    for piece in call.pieces():
        tries.left_s()
        yield piece


def _collect(response: httpx.Response, tries: Tries) -> bytes:
    collecting = Collecting()
    for piece in response.iter_raw():
        tries.left_s()
        collecting.add(piece)
    return collecting.whole()
