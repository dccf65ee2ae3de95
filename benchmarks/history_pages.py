"""Measure a history of a million predictions: pages, writing, labels, retention and size.

python benchmarks/history_pages.py sqlite:////DIRECTORY/history.db
python benchmarks/history_pages.py postgresql://USER:PASSWORD@HOST/DATABASE --parts ask

An empty database is filled by what the service writes with, 500 predictions at a time, in one
thread. Every question is then asked for its first and its last page.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import sqlalchemy as sql
from sqlalchemy.ext.compiler import compiles

from history_rows import BEGIN, CLASSES, DAYS, NAMES, ROWS, draw_records
from topfive.history.contract import (
    GivenLabel,
    HistoryFilter,
    HistoryOrder,
    HistoryQuery,
    Position,
)
from topfive.history.database import Database, open_database
from topfive.history.kept import KeptHistory
from topfive.history.migration import upgrade
from topfive.history.records import LabelSource, PredictionRecord
from topfive.history.retention import DELETED_AT_ONCE, delete_before
from topfive.history.schema import PREDICTIONS
from topfive.history.selecting import find_branches, select_page
from topfive.history.writing import write_records

AT_ONCE = 500
REPEATS = 15
LABELLED_BY_API = 500
PARTS = ("fill", "label", "ask", "retain")
SLOW_S = 600.0
MIB = 1024 * 1024
NEWEST, OLDEST, LEAST = HistoryOrder


def fill(database: Database, rows: int) -> Iterator[tuple[str, float, float]]:
    """Write what is missing; gives, of each fifth, rows a second and the slowest batch in ms."""
    upgrade(database)
    with database.reading(SLOW_S) as connection:
        there = connection.scalar(sql.select(sql.func.count()).select_from(PREDICTIONS)) or 0
    chance = random.Random(there)
    for begin, end in pairwise(rows * part // 5 for part in range(6)):
        took_ms = []
        for first in range(max(begin, there), end, AT_ONCE):
            write = partial(write_records, database, draw_records(first, first + AT_ONCE, chance))
            took_ms.append(take_ms(write))
        if took_ms:
            rate = len(took_ms) * AT_ONCE / sum(took_ms) * 1000
            yield f"{max(begin, there):,} to {end:,}", rate, max(took_ms)


def label(database: Database) -> float:
    """Label predictions of all ages; returns labels a second of those that the API has set."""
    with database.reading(SLOW_S) as connection:
        ids = list(connection.scalars(sql.select(PREDICTIONS.c.id)))
    chosen = random.Random(1).sample(ids, len(ids) // 100)
    values = {"label_class_id": 1, "label_rank": 1, "label_source": "person", "labelled_at": BEGIN}
    with database.writing(SLOW_S) as connection:
        for begin in range(LABELLED_BY_API, len(chosen), AT_ONCE):
            is_one = PREDICTIONS.c.id.in_(chosen[begin : begin + AT_ONCE])
            connection.execute(sql.update(PREDICTIONS).where(is_one).values(values))
    history, given = KeptHistory(database), GivenLabel(LabelSource.PERSON, class_id=1)
    since_s = time.perf_counter()
    for one in chosen[:LABELLED_BY_API]:
        history.set_label(one, given)
    return LABELLED_BY_API / (time.perf_counter() - since_s)


def questions(some: PredictionRecord) -> dict[str, HistoryQuery]:
    """List what is asked: every order, every filter of the API, and what may combine badly."""
    middle = BEGIN + timedelta(days=DAYS / 2)
    hour = HistoryFilter(since=middle, until=middle + timedelta(hours=1))
    only = HistoryFilter
    filters = {
        "all": only(),
        "an hour in the middle": hour,
        "since the middle": only(since=middle),
        "model": only(model="mobilenet_v2"),
        "version, 60%": only(model="mobilenet_v2", version="1"),
        "version, 0.1%": only(model="mobilenet_v2", version="3"),
        "class, often": only(class_id=3),
        "class, by name": only(class_name=NAMES[50]),
        "class, rare": only(class_id=CLASSES - 400),
        "confidence from 0.5": only(least_confidence=0.5),
        "confidence from 0.9999": only(least_confidence=0.9999),
        "confidence from 1": only(least_confidence=1.0),
        "confidence to 0.5": only(most_confidence=0.5),
        "confidence to 0.05": only(most_confidence=0.05),
        "confidence to 0.0001": only(most_confidence=0.0001),
        "labelled": only(is_labelled=True),
        "not labelled": only(is_labelled=False),
        "request": only(request_id=some.request_id),
        "picture": only(picture_sha256=some.picture_sha256),
        "class, often; labelled": only(class_id=3, is_labelled=True),
        "class, often; version, 0.1%": only(class_id=3, version="3"),
        "hour; labelled": replace(hour, is_labelled=True),
        "hour; confidence to 0.05": replace(hour, most_confidence=0.05),
    }
    asked = {name: HistoryQuery(one) for name, one in filters.items()}
    asked["all, oldest first"] = HistoryQuery(order=OLDEST)
    for name in ("all", "not labelled", "labelled", "version, 60%", "version, 0.1%", "class, often",
                 "confidence from 0.5", "since the middle", "an hour in the middle"):  # fmt: skip
        asked[f"{name}, least confident first"] = HistoryQuery(filters[name], LEAST)
    return asked


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question took: rows that are meant, milliseconds, and what a page is read by."""

    meant: int
    first_ms: float
    last_ms: float
    slowest_ms: float
    plan: str


def ask(database: Database, query: HistoryQuery) -> Asked:
    """Ask for the first and the last page, again and again."""
    history = KeptHistory(database)
    meant, end = find_end(database, query)
    last = replace(query, after=end)
    assert history.list(last).next is None
    first_ms = [take_ms(lambda: history.list(query)) for _ in range(REPEATS)]
    last_ms = [take_ms(lambda: history.list(last)) for _ in range(REPEATS)]
    return Asked(
        meant,
        statistics.median(first_ms),
        statistics.median(last_ms),
        max(*first_ms, *last_ms),
        explain(database, query),
    )


def find_end(database: Database, query: HistoryQuery) -> tuple[int, Position | None]:
    """Count what is meant, and find where the last page begins."""
    columns = (PREDICTIONS.c.confidence, PREDICTIONS.c.id)
    found: list[tuple[float, UUID]] = []
    with database.reading(SLOW_S) as connection:
        branches = find_branches(connection, query)
        for one in select_page(branches, query.order, 2**31 - 1, None):
            rows = connection.execute(one.with_only_columns(*columns))
            found += [(confidence, at) for confidence, at in rows]
    if len(found) <= query.limit:
        return len(found), None
    if query.order is LEAST:
        confidence, at = sorted(found)[-query.limit - 1]
        return len(found), Position(at, confidence)
    ids = sorted((at for _, at in found), reverse=query.order is NEWEST)
    return len(found), Position(ids[-query.limit - 1])


class Explain(sql.Executable, sql.ClauseElement):
    """A statement that asks how another one would be answered."""

    inherit_cache = False

    def __init__(self, statement: sql.Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "sqlite")
def _(element: Explain, compiler: Any, **given: Any) -> str:
    return "EXPLAIN QUERY PLAN " + compiler.process(element.statement, **given)


@compiles(Explain, "postgresql")
def _(element: Explain, compiler: Any, **given: Any) -> str:
    return "EXPLAIN (FORMAT JSON) " + compiler.process(element.statement, **given)


def explain(database: Database, query: HistoryQuery) -> str:
    """Name what a database reads a page by: indexes, or the whole table."""
    used: list[str] = []
    with database.reading(SLOW_S) as connection:
        branches = find_branches(connection, query)
        for one in select_page(branches, query.order, query.limit + 1, None):
            told = connection.execute(Explain(one)).cursor.fetchall()  # in its own types
            used += steps_of_sqlite(told) if database.is_sqlite else steps_of(told[0][0][0]["Plan"])
    return ", ".join(dict.fromkeys(used)) or "nothing"


def steps_of_sqlite(told: Sequence[Any]) -> list[str]:
    """Name the steps of SQLite's plan."""
    return [short(str(one[3]).replace(" predictions", "").replace(" USING", "")) for one in told]


def steps_of(plan: Any) -> list[str]:
    """Name the steps of PostgreSQL's plan that read or sort."""
    below = [step for one in plan.get("Plans", ()) for step in steps_of(one)]
    if plan["Node Type"] == "Limit":
        return below
    return [short(f"{plan['Node Type']} {plan.get('Index Name', '')}".strip()), *below]


def short(step: str) -> str:
    """Leave out what all indexes' names begin with."""
    return step.replace("ix_predictions_", "").replace("sqlite_autoindex_predictions_1", "pk")


def take_ms(action: Callable[[], object]) -> float:
    """Do something; returns the milliseconds that it took."""
    since_s = time.perf_counter()
    action()
    return (time.perf_counter() - since_s) * 1000


def size_bytes(database: Database) -> int:
    """Tell how much predictions and their indexes take on disk, unused pages included."""
    with database.reading(SLOW_S) as connection:
        if not database.is_sqlite:
            told = "SELECT pg_total_relation_size('predictions')"
            return int(connection.exec_driver_sql(told).scalar_one())
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(database.engine.url.database or "").stat().st_size


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention took: predictions deleted a second of work, and milliseconds each time.

    `alone_ms` are those of batches that were written before, `beside_ms` those of batches that were
    written meanwhile.
    """

    deleted: int
    deletion_ms: list[float]
    alone_ms: list[float]
    beside_ms: list[float]


def retain(database: Database, rows: int) -> Retained:
    """Delete the oldest tenth as the service does, while batches are written beside it."""
    until = BEGIN + timedelta(days=DAYS / 10)
    write = batches_of(database, rows)
    alone_ms = [take_ms(lambda: next(write)) for _ in range(50)]
    deletion_ms: list[float] = []
    deleted: list[int] = []

    def delete() -> None:
        while not deleted or deleted[-1] == DELETED_AT_ONCE:
            took_ms = take_ms(lambda: deleted.append(delete_before(database, until, SLOW_S)))
            deletion_ms.append(took_ms)
            time.sleep(took_ms / 1000)

    beside_ms = []
    thread = Thread(target=delete)
    thread.start()
    while thread.is_alive():
        beside_ms.append(take_ms(lambda: next(write)))
        # As when 500 pictures are classified a second, more than two cores can.
        time.sleep(max(0.0, 1 - beside_ms[-1] / 1000) / 5)
    thread.join()
    return Retained(sum(deleted), deletion_ms, alone_ms, beside_ms)


def batches_of(database: Database, rows: int) -> Iterator[None]:
    """Write one more batch of new predictions each time."""
    chance = random.Random(2)
    for first in count(rows, AT_ONCE):
        records = draw_records(first, first + AT_ONCE, chance)
        yield
        write_records(database, records)


def show(head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(map(str, line))} |", flush=True)


def report_filling(database: Database, rows: int) -> None:
    """Fill and label; print how fast, and how large it is."""
    head = ("predictions", "written a second", "slowest 500, ms")
    show(head, ((part, f"{rate:,.0f}", f"{ms:.0f}") for part, rate, ms in fill(database, rows)))
    size = size_bytes(database)
    print(f"\nsize: {size / MIB:.0f} MiB, {size / rows:.0f} bytes a prediction")


def report_labels(database: Database) -> None:
    """Label; print how fast."""
    print(f"\nlabels set a second, each in a transaction of its own: {label(database):.0f}")
    if not database.is_sqlite:
        # As its autovacuum does after a minute.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.exec_driver_sql("VACUUM ANALYZE predictions")


def report_pages(database: Database) -> None:
    """Ask every question; print what it took."""
    some = KeptHistory(database).list(HistoryQuery(limit=1)).predictions[0].record
    asked = ((name, ask(database, one)) for name, one in questions(some).items())
    show(
        ("question", "predictions", "first page, ms", "last page, ms", "slowest, ms", "read by"),
        (
            (name, f"{one.meant:,}", f"{one.first_ms:.1f}", f"{one.last_ms:.1f}",
             f"{one.slowest_ms:.0f}", one.plan)
            for name, one in asked
        ),
    )  # fmt: skip


def report_retention(database: Database, rows: int) -> None:
    """Delete a tenth, write as many again, and print what it took."""
    before = size_bytes(database)
    one = retain(database, rows)
    rate = one.deleted / sum(one.deletion_ms) * 1000
    print(f"\nretention: {one.deleted:,} deleted at {rate:,.0f} a second of work")
    print(
        f"{DELETED_AT_ONCE} deleted: {statistics.median(one.deletion_ms):.0f} ms, "
        f"{max(one.deletion_ms):.0f} (slowest)"
    )
    for when, ms in (("before", one.alone_ms), ("meanwhile", one.beside_ms)):
        print(f"{AT_ONCE} written {when}: {statistics.median(ms):.0f} ms, {max(ms):.0f} (slowest)")
    print(f"size: {before / MIB:.0f} MiB before, {size_bytes(database) / MIB:.0f} MiB after")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    chosen = open_database(given.url)
    for name in given.parts:
        {
            "fill": partial(report_filling, chosen, given.rows),
            "label": partial(report_labels, chosen),
            "ask": partial(report_pages, chosen),
            "retain": partial(report_retention, chosen, given.rows),
        }[name]()
    chosen.close()
