"""Exports: files that are whole, safe to open, and told apart from those that broke off."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.unit.fake_history import FakeHistory, make_prediction
from topfive.api import App
from topfive.api.history.columns import COLUMNS
from topfive.api.history.csv_file import write_csv
from topfive.api.history.parquet_file import write_parquet
from topfive.errors import HistoryUnavailable
from topfive.history.contract import HistoryQuery
from topfive.history.records import KeptPrediction, Label, LabelSource, RecordedModel

LABEL = Label(2, "zebra", LabelSource.SYSTEM, datetime(2026, 11, 27, 8, 0, 0, 5, UTC), 3)
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"]  # noqa: RUF001


def read_rows(data: bytes) -> list[dict[str, str]]:
    """Read a CSV file as programs do."""
    return list(csv.DictReader(StringIO(data.decode(), newline="")))


def read_table(data: bytes) -> list[dict[str, Any]]:
    """Read a Parquet file."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, Any]] = parquet.read_table(BytesIO(data)).to_pylist()
    return rows


def test_a_csv_file_has_a_line_for_each(client: FlaskClient, history: FakeHistory) -> None:
    """All that is kept, under the names that the API has, in the order that is asked for."""
    made = [make_prediction(1), replace(make_prediction(2), label=LABEL)]
    history.kept = {one.record.id: one for one in made}
    answer = client.get("/predictions/export?order=oldest", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="predictions.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    first, second = read_rows(answer.data)
    told = client.get(f"/predictions/{made[0].record.id}").json
    same = ("id", "request_id", "picture_sha256", "model_digest", "route", "alias")
    assert {key: first[key] for key in same} == {key: told[key] for key in same}
    assert (first["model"], first["version"], first["position"]) == ("animals", "1", "0")
    assert first["created_at"] == "2026-11-26T10:00:01.000000Z"
    assert (first["class_id_1"], first["class_1"], first["confidence_1"]) == ("0", "tabby", "0.8")
    assert (first["class_id_5"], first["class_5"], first["confidence_5"]) == (
        "4",
        "ostrich",
        "0.01",
    )
    assert (first["queue_ms"], first["total_ms"]) == ("0.11", "7.45")
    assert (first["cache"], first["degraded"], first["api_key_id"]) == ("", "false", "")
    label = [name for name in first if name.startswith("label")]
    assert [first[name] for name in label] == [""] * 5
    assert [second[name] for name in label] == [
        "2", "zebra", "3", "system", "2026-11-27T08:00:00.000005Z",
    ]  # fmt: skip


def test_a_parquet_file_has_the_same(client: FlaskClient, history: FakeHistory) -> None:
    """The same columns and rows, with types."""
    made = [make_prediction(1), replace(make_prediction(2), label=LABEL)]
    history.kept = {one.record.id: one for one in made}
    answer = client.get("/predictions/export?format=parquet&order=oldest", buffered=True)
    assert answer.mimetype == "application/vnd.apache.parquet"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="predictions.parquet"'
    first, second = read_table(answer.data)
    assert list(first) == [one.name for one in COLUMNS]
    assert first["created_at"] == datetime(2026, 11, 26, 10, 0, 1, tzinfo=UTC)
    assert (first["position"], first["confidence_1"], first["degraded"]) == (0, 0.8, False)
    assert (first["cache"], first["label_class_id"], first["labelled_at"]) == (None, None, None)
    assert (second["label_class"], second["labelled_at"]) == ("zebra", LABEL.at)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_filters_hold_for_exports(client: FlaskClient, history: FakeHistory, form: str) -> None:
    """What a page would leave out is not in the file."""
    made = [make_prediction(number, best=number) for number in range(3)]
    history.kept = {one.record.id: one for one in made}
    data = client.get(f"/predictions/export?format={form}&class=zebra", buffered=True).data
    rows = read_rows(data) if form == "csv" else read_table(data)
    assert [one["id"] for one in rows] == [str(made[2].record.id)]


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 401])
def test_no_row_is_lost_between_pieces(count: int) -> None:
    """Neither at the ends of pieces nor of groups; without rows there are the names alone."""
    made = [make_prediction(number) for number in range(count)]
    ids = [str(one.record.id) for one in made]
    whole = b"".join(write_csv(made))
    assert [one["id"] for one in read_rows(whole)] == ids
    assert whole.splitlines()[0].decode() == ",".join(one.name for one in COLUMNS)
    assert [one["id"] for one in read_table(b"".join(write_parquet(made)))] == ids


def test_a_parquet_file_may_have_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is sent when it is made, and what was sent is not kept."""
    monkeypatch.setattr("topfive.api.history.parquet_file._ROWS_IN_GROUP", 10)
    made = [make_prediction(number) for number in range(35)]
    pieces = list(write_parquet(made))
    assert len(pieces) == 5
    rows = read_table(b"".join(pieces))
    assert [one["id"] for one in rows] == [str(one.record.id) for one in made]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_runs_nothing(text: str) -> None:
    """A text that begins like a formula is put behind an apostrophe, whichever column it is in."""
    model = RecordedModel(text, text, text, (text, "a"))
    made = replace(
        make_prediction(1, model=model, request_id=text, alias=text, route=text, key_id=text),
        label=replace(LABEL, class_name=text),
    )
    (row,) = read_rows(b"".join(write_csv([made])))
    columns = ("request_id", "model", "version", "model_digest", "route", "alias", "class_1",
               "api_key_id", "label_class")  # fmt: skip
    assert {row[name] for name in columns} == {f"'{text}"}
    assert not any(cell.startswith(tuple("=+-@")) for cell in row.values())


@pytest.mark.parametrize("name", ['say "hi", twice', "two\nlines", "ÄÖ漢", "a;b", "x,y"])
def test_any_name_stays_in_its_cell(name: str) -> None:
    """Quotes, commas and line ends of a class's name do not become others."""
    made = make_prediction(1, model=RecordedModel("m", "1", "a" * 64, (name, "other")))
    (row,) = read_rows(b"".join(write_csv([made])))
    assert (row["class_1"], row["class_2"], row["class_3"]) == (name, "other", "")


def test_times_are_told_in_utc() -> None:
    """Whatever offset the history has them in."""
    at = datetime(2026, 11, 26, 11, 0, tzinfo=timezone(timedelta(hours=1)))
    (row,) = read_rows(b"".join(write_csv([make_prediction(1, at=at)])))
    assert row["created_at"] == "2026-11-26T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("format=xlsx", "`format` must be `csv` or `parquet`, not 'xlsx'."),
        ("limit=5", "`limit` is not known."),
        ("cursor=x", "`cursor` is not known."),
        ("class=%00", "`class` must be written like `tabby`."),
    ],
)
def test_nonsense_is_told(
    client: FlaskClient, history: FakeHistory, query: str, detail: str
) -> None:
    """400, and no file is begun."""
    answer = client.get(f"/predictions/export?{query}", buffered=True)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert answer.json["detail"].startswith(detail)


def test_without_pyarrow_it_is_said_what_to_install(
    client: FlaskClient, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """406 for Parquet, which CSV does not care about."""
    monkeypatch.setattr("topfive.api.history.parquet_file.find_spec", lambda name: None)
    answer = client.get("/predictions/export?format=parquet", buffered=True)
    assert (answer.status_code, answer.json["code"]) == (406, "not_acceptable")
    assert "requirements-parquet.txt" in answer.json["detail"]
    assert client.get("/predictions/export", buffered=True).status_code == 200


def test_pyarrow_is_loaded_for_parquet_alone(client: FlaskClient, history: FakeHistory) -> None:
    """Who exports CSV does not pay for it."""
    loaded = "pyarrow" in sys.modules
    assert client.get("/predictions/export", buffered=True).status_code == 200
    assert ("pyarrow" in sys.modules) == loaded


def test_a_file_that_breaks_off_has_no_end(
    app: App, client: FlaskClient, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is given up within it, and the next export finds its turn free."""

    def break_off(query: HistoryQuery) -> Iterator[KeptPrediction]:
        yield from (make_prediction(number) for number in range(300))
        raise HistoryUnavailable("The database has gone.")

    monkeypatch.setattr(history, "stream", break_off)
    with pytest.raises(ConnectionAbortedError):
        client.get("/predictions/export", buffered=True)
    monkeypatch.undo()
    assert client.get("/predictions/export", buffered=True).status_code == 200


def test_a_second_export_is_refused(client: FlaskClient, history: FakeHistory) -> None:
    """503 while one is under way; its turn ends with its answer, read or not."""
    under_way = client.get("/predictions/export", buffered=False)
    answer = client.get("/predictions/export", buffered=True)
    assert (answer.status_code, answer.json["code"]) == (503, "history_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert client.get("/predictions").status_code == 200
    under_way.close()
    assert client.head("/predictions/export", buffered=True).status_code == 200
    assert client.get("/predictions/export", buffered=True).status_code == 200


@pytest.mark.parametrize(("has_spare_capacity", "rests"), [(True, 0), (False, 4)])
def test_an_export_rests_beside_predictions(
    app: App,
    client: FlaskClient,
    history: FakeHistory,
    monkeypatch: pytest.MonkeyPatch,
    has_spare_capacity: bool,
    rests: int,
) -> None:
    """While the worker has others to serve; where nothing else is at work it goes on at once."""
    made = [make_prediction(number) for number in range(350)]
    history.kept = {one.record.id: one for one in made}
    monkeypatch.setattr(app.service, "has_spare_capacity", lambda: has_spare_capacity)
    rested_s: list[float] = []
    monkeypatch.setattr("topfive.api.history.export.sleep", rested_s.append)
    answer = client.get("/predictions/export", buffered=True)
    assert len(read_rows(answer.data)) == 350
    assert len(rested_s) == rests
    assert all(one > 0 for one in rested_s)
