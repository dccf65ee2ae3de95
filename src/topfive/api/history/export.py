"""GET /predictions/export: all predictions that are meant, in a file written as it is sent."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from time import sleep, thread_time
from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from topfive.api.errors import ANY_ROUTE, problem_responses
from topfive.api.examples import EXPORTED
from topfive.api.fields import read_fields
from topfive.api.history.columns import in_groups
from topfive.api.history.csv_file import write_csv
from topfive.api.history.fields import ExportFields
from topfive.api.history.parquet_file import require_pyarrow, write_parquet
from topfive.api.history.routes import ASKED, kept_history
from topfive.api.history.turns import history_turns
from topfive.api.openapi import query_parameters
from topfive.api.request import RequestRecord, current_record, current_service
from topfive.errors import ClientDisconnected, Failure
from topfive.history.contract import HistoryQuery
from topfive.history.records import KeptPrediction

export_routes = APIBlueprint(
    "export", __name__, abp_tags=[Tag(name="history")], abp_responses=ANY_ROUTE
)

# Predictions of the same worker wait for Python's lock meanwhile: an export beside them may take a
# quarter of a core.
_ROWS_BETWEEN_RESTS = 100
_REST = 3

_CSV, _PARQUET = "text/csv", "application/vnd.apache.parquet"
_WRITERS: dict[str, tuple[str, Callable[[Iterable[KeptPrediction]], Iterator[bytes]]]] = {
    "csv": (_CSV, write_csv),
    "parquet": (_PARQUET, write_parquet),
}
_FILES: dict[str | int, Any] = {
    200: {
        "description": "The file.",
        "content": {
            _CSV: {"schema": {"type": "string"}, "examples": EXPORTED},
            _PARQUET: {
                "schema": {"type": "string", "format": "binary"},
                "examples": {"a file": {"summary": "The same columns.", "value": "PAR1..."}},
            },
        },
    },
    **problem_responses(*ASKED, "invalid_parameter", "not_acceptable"),
}


@export_routes.get(
    "/predictions/export",
    operation_id="export_predictions",
    responses=_FILES,
    openapi_extensions={"parameters": query_parameters(ExportFields)},
)
def export_predictions() -> Response:
    """Give all predictions that are meant as a file; one export at a time in each worker."""
    history = kept_history()
    asked = read_fields(ExportFields, request.args.items(multi=True))
    query = HistoryQuery(asked.only(), asked.ordered())
    if asked.format == "parquet":
        require_pyarrow()
    content_type, write = _WRITERS[asked.format]
    with ExitStack() as stack:
        stack.enter_context(history_turns().take_long())
        rows = _begun(history.stream(query))
        pieces = write(_paced(rows, current_service().has_spare_capacity))
        record = current_record()
        record.is_told_at_end = True
        turn = stack.pop_all()
        response = Response(_sent(pieces, turn, record), mimetype=content_type)
        # HEAD has none of the file made.
        response.call_on_close(turn.close)
        response.headers["Content-Disposition"] = (
            f'attachment; filename="predictions.{asked.format}"'
        )
        response.headers["Cache-Control"] = "no-store"
        return response


def _begun(rows: Iterator[KeptPrediction]) -> Iterator[KeptPrediction]:
    """Fetch the first row now: what goes wrong by then has a status that says so."""
    first = next(rows, None)
    return rows if first is None else chain([first], rows)


def _paced(
    rows: Iterable[KeptPrediction], has_spare_capacity: Callable[[], bool]
) -> Iterator[KeptPrediction]:
    """Give rows; while predictions are at work, rest much longer than what is done of them took."""
    began_s = thread_time()
    for some in in_groups(rows, _ROWS_BETWEEN_RESTS):
        yield from some
        if not has_spare_capacity():
            sleep((thread_time() - began_s) * _REST)
        began_s = thread_time()


def _sent(pieces: Iterator[bytes], turn: ExitStack, record: RequestRecord) -> Iterator[bytes]:
    """Give the pieces of a file; one that breaks off has no end, so that nobody takes it for whole.

    Raises ConnectionAbortedError there.
    """
    try:
        # It ends before the client knows that the file has: its next export finds the turn free.
        with turn:
            yield from pieces
    except GeneratorExit:
        record.code = ClientDisconnected.code
        raise
    except Failure as failure:
        record.code = failure.code
        raise ConnectionAbortedError from failure
