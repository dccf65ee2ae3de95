"""Live accuracy and drift as a real service tells them, of what is in its database."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.history.records import make_record
from tests.live_server import LiveServer, run_server
from topfive.bundles.store import demo_root, read_manifest
from topfive.bundles.versions import bundle_digest
from topfive.history.contract import GivenLabel
from topfive.history.database import open_database
from topfive.history.ids import first_id_at
from topfive.history.kept import KeptHistory
from topfive.history.records import LabelSource, RecordedModel
from topfive.history.writing import write_records

WITHIN_S = 30
_MANIFEST = read_manifest(demo_root() / "digits" / "1")
# Its bundle says how it did on held-out photos; of the other there is none.
DIGITS = RecordedModel("digits", "1", bundle_digest(_MANIFEST), tuple("0123456789"))
TREES = RecordedModel("trees", "7", "d" * 64, tuple(f"tree {number}" for number in range(50)))


@pytest.fixture
def server(history_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service of two workers whose history knows of digits and trees."""
    fill(history_url)
    folder = tmp_path_factory.mktemp("server")
    with run_server(
        folder, model="digits", workers="2", history_url=history_url, history_retention_days="0"
    ) as started:
        yield started


def fill(url: str) -> None:
    """Keep sure predictions of digits, forty of them labelled, and trees that change halfway."""
    database = open_database(url)
    keep(database, DIGITS, np.arange(300) % 10, 0.995)
    keep(database, TREES, np.arange(1500) % 50, 0.6)
    keep(database, TREES, np.arange(500) % 5, 0.6, since_s=2000)
    history = KeptHistory(database)
    for number in range(40):
        source = GivenLabel(LabelSource.SYSTEM, class_id=(number + (number % 4 == 0)) % 10)
        history.set_label(record_id(DIGITS, number), source)
    database.close()


def keep(database, model, classes, confidence, since_s=0) -> None:
    """Keep a prediction a second, of these classes."""
    write_records(
        database,
        [
            make_record(
                best=best,
                confidence=confidence,
                model=model,
                id=record_id(model, since_s + number),
                at=began(since_s + number),
            )
            for number, best in enumerate(classes.tolist())
        ],
    )


def began(second: int) -> datetime:
    """Give a time of yesterday."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return noon - timedelta(days=1) + timedelta(seconds=second)


def record_id(model: RecordedModel, second: int):
    """Make the id of a model's prediction at a second."""
    first = first_id_at(began(second))
    return type(first)(int=first.int + (1 if model is DIGITS else 2))


def wait_for(found: Callable[[], object], what: str) -> None:
    """Wait until something is there."""
    end_s = time.monotonic() + WITHIN_S
    while not found():
        assert time.monotonic() < end_s, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.1)


def live_lines(server: LiveServer) -> dict[str, float]:
    """Read the metrics of live accuracy and drift; none is there twice."""
    text = server.get("/metrics").body.decode()
    found = re.findall(r"^(topfive_(?:live|drift|label|held)\S+) (\S+)$", text, re.MULTILINE)
    assert len(dict(found)) == len(found)
    return {name: float(value) for name, value in found}


def test_what_is_in_the_database_is_told_and_measured(server: LiveServer) -> None:
    """Over HTTP, in the metrics and in the log; also when the worker that measures is killed."""
    (digits,) = server.get("/models/digits/accuracy").json["versions"]
    assert (digits["labels"], digits["is_enough"], digits["top1"]["value"]) == (40, True, 0.75)
    assert digits["held_out_top1"] == _MANIFEST.metrics["held_out_top1"]
    assert digits["calibration"]["is_off"]
    assert [(one["date"], one["labels"]) for one in digits["days"]] == [
        (began(0).date().isoformat(), 40)
    ]
    (digits,) = server.get("/models/digits/drift").json["versions"]
    assert (digits["reference"]["source"], digits["is_alarm"]) == ("evaluation", False)
    (trees,) = server.get("/models/trees/drift?version=7").json["versions"]
    assert (trees["reference"]["source"], trees["is_alarm"]) == ("first_predictions", True)
    assert trees["note"].startswith("Predicted classes differ from the reference")
    assert server.get("/models/oaks/drift").code == "model_not_found"

    wait_for(lambda: live_lines(server), "metrics")
    lines = live_lines(server)
    assert lines['topfive_live_accuracy{k="1",model="digits",version="1"}'] == 0.75
    assert lines['topfive_drift_alarm{model="digits",version="1"}'] == 0
    assert lines['topfive_drift_alarm{model="trees",version="7"}'] == 1
    assert lines['topfive_labelled_predictions{model="trees",version="7"}'] == 0
    assert 'topfive_live_accuracy{k="1",model="trees",version="7"}' not in lines
    (event,) = server.events("drift_found")
    assert (event["model"], event["version"]) == ("trees", "7")

    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(server.events("drift_found")) == 2, "another worker that measures")
    assert live_lines(server) == lines
