"""Servers that keep a history, callers who send them pictures, and what is kept of that."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from threading import Event
from uuid import UUID

from tests.live_server import LiveServer
from tests.pictures import jpeg
from topfive.history.contract import HistoryOrder, HistoryQuery
from topfive.history.database import open_database
from topfive.history.kept import KeptHistory
from topfive.history.migration import upgrade
from topfive.history.records import PredictionRecord

WITHIN_S = 30
CALLERS = 4
# All callers together send some hundred a second, and leave time for others on the machine.
PAUSE_S = 0.01


def kept_records(url: str) -> list[PredictionRecord]:
    """Read all that is kept, the oldest first."""
    database = open_database(url)
    try:
        query = HistoryQuery(order=HistoryOrder.OLDEST)
        return [one.record for one in KeptHistory(database).stream(query)]
    finally:
        database.close()


def migrate(url: str) -> str:
    """Give a database the newest schema; returns its address."""
    database = open_database(url)
    upgrade(database)
    database.close()
    return url


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.05)


def told(server: LiveServer, metric: str) -> float:
    """Read one number of the metrics of all workers."""
    text = server.get("/metrics").body.decode()
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
    assert found, metric
    return float(found[1])


def written(server: LiveServer) -> int:
    """Tell how many predictions the workers say they have written."""
    return int(told(server, "topfive_history_written_total"))


def dropped(server: LiveServer, reason: str) -> int:
    """Tell how many predictions the workers say are missing."""
    return int(told(server, f'topfive_history_dropped_total{{reason="{reason}"}}'))


def predict(server: LiveServer) -> UUID:
    """Send a picture, which must be answered; returns the prediction's id."""
    answer = server.upload(jpeg())
    assert answer.status == 200, answer.body
    return UUID(answer.headers["X-Prediction-ID"])


def predict_many(server: LiveServer, count: int) -> str:
    """Send pictures in one request, which must all be answered; returns the request's id."""
    answer = server.upload_batch(*[jpeg()] * count)
    assert answer.status == 200
    assert all(one["ok"] for one in answer.json["results"])
    return str(answer.json["request_id"])


def ids_under_load(server: LiveServer, disturb: Callable[[], None]) -> set[UUID]:
    """Have callers send pictures while `disturb` runs; returns the ids of all that was answered."""
    stop = Event()

    def send() -> list[UUID]:
        found = []
        while not stop.is_set():
            try:
                found.append(predict(server))
                time.sleep(PAUSE_S)
            except (OSError, HTTPException):
                # Nobody was there to answer.
                time.sleep(0.05)
        return found

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(send) for _ in range(CALLERS)]
        try:
            time.sleep(1)
            disturb()
        finally:
            stop.set()
    return {one for caller in callers for one in caller.result()}
