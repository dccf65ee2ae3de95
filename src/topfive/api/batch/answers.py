"""The answer to a batch: one JSON document, or a line for each picture as soon as it is ready."""

import json
from collections.abc import Iterator

from flask import Response, stream_with_context

from topfive.api.batch.reading import Arrival
from topfive.api.batch.schemas import result_out
from topfive.api.recording import answered_request
from topfive.api.request import RequestRecord
from topfive.api.schemas import DEGRADED_HEADER, MODEL_HEADER, server_timing
from topfive.errors import ClientDisconnected, Failure, InternalError
from topfive.predictions import Prediction, Timings
from topfive.service import Batch
from topfive.telemetry.access import AccessLog, BatchCounts
from topfive.telemetry.logs import bind_log_fields, clear_log_fields, get_logger

JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
# nginx would keep lines until there are many: its documentation, ngx_http_proxy_module.
_UNBUFFERED = {"X-Accel-Buffering": "no"}


class UntilBroken:
    """Gives the pictures of a batch up to where it breaks, and keeps why it did."""

    def __init__(self, pictures: Iterator[Arrival]) -> None:
        self.failure: Failure | None = None
        self._pictures = pictures

    def __iter__(self) -> Iterator[Arrival]:
        """Give the pictures; those that came before the failure are classified first."""
        try:
            yield from self._pictures
        except Failure as failure:
            self.failure = failure


class BatchAnswer:
    """The results of one batch as they are written; each is counted, and none is kept."""

    def __init__(
        self,
        batch: Batch,
        pictures: UntilBroken,
        results: Iterator[Prediction | Failure],
        record: RequestRecord,
        access_log: AccessLog,
    ) -> None:
        self._batch = batch
        self._pictures = pictures
        self._results = results
        self._record = record
        self._access_log = access_log
        self._timings: list[Timings] = []
        self._counts = BatchCounts(batch.model)
        self._answered = answered_request()
        record.batch = self._counts

    def whole(self) -> Response:
        """Answer when the last picture has its result; raises what broke the batch."""
        results = list(self._write())
        head = {"request_id": self._record.request_id, "model": _model(self._batch)}
        end = b',"degraded":true}' if self._batch.is_degraded else b"}"
        body = b'%b,"results":[%b]%b' % (_compact(head)[:-1], b",".join(results), end)
        headers = self._headers() | {"Server-Timing": server_timing(self._timings)}
        return Response(body, mimetype=JSON_TYPE, headers=headers)

    def lines(self) -> Response:
        """Answer each result as soon as it is ready."""
        lines = stream_with_context(self._write_lines())
        return Response(lines, mimetype=LINES_TYPE, headers=self._headers() | _UNBUFFERED)

    def _headers(self) -> dict[str, str]:
        model = self._batch.model
        told = {MODEL_HEADER: f"{model.name}@{model.version}"}
        return told | ({DEGRADED_HEADER: "true"} if self._batch.is_degraded else {})

    def _write(self) -> Iterator[bytes]:
        for index, result in enumerate(self._results):
            self._count(result)
            if isinstance(result, Prediction):
                # Before its line is sent: what was answered is kept.
                result.record(self._answered, index)
            yield _written(index, result)
            if isinstance(result, Prediction):
                result.follow_up()
        if self._pictures.failure is not None:
            raise self._pictures.failure

    def _count(self, result: Prediction | Failure) -> None:
        self._access_log.record_batch_picture(result)
        self._counts.pictures += 1
        if isinstance(result, Failure):
            self._counts.failed += 1
        else:
            self._timings.append(result.timings)

    def _write_lines(self) -> Iterator[bytes]:
        """Write a line for each result, and one for what breaks the batch: its status is sent."""
        bind_log_fields(request_id=self._record.request_id)
        try:
            for one in self._write():
                yield one + b"\n"
        except (GeneratorExit, ClientDisconnected):
            self._record.code = ClientDisconnected.code
        except Failure as failure:
            yield self._last_line(failure)
        except Exception as error:  # noqa: BLE001 - the app's boundary, past Flask's own
            get_logger().exception("unforeseen_error", kind=type(error).__name__)
            yield self._last_line(InternalError())
        finally:
            clear_log_fields()

    def _last_line(self, failure: Failure) -> bytes:
        self._record.code = failure.code
        return _written(self._counts.pictures, failure) + b"\n"


def _written(index: int, result: Prediction | Failure) -> bytes:
    return result_out(index, result).model_dump_json(exclude_none=True).encode()


def _model(batch: Batch) -> dict[str, str]:
    return {"name": batch.model.name, "version": batch.model.version}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
