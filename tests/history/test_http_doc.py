"""What docs/API.md shows of kept predictions is run as it stands there, and gives what is shown."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.test_api_doc import SHOWN_AT, agree, blocks, commands, section
from tests.history.records import make_record
from tests.history.test_http import fill
from tests.live_server import LiveServer, run_server
from topfive.api.history.columns import COLUMNS
from topfive.history.records import RecordedModel

SHOWN_ID = "019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90"
ZEBRAS = RecordedModel("m", "1", "a" * 64, (*map(str, range(340)), "zebra"))
# Later than all times that are shown.
RECORDS = tuple(make_record(40_000_000 + number, 336, 0.7, model=ZEBRAS) for number in range(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are run."""
    return tmp_path_factory.mktemp("doc")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LiveServer]:
    """A server over a history of three predictions."""
    url = f"sqlite:///{folder}/history.db"
    fill(url, RECORDS)
    with run_server(folder, model="digits", history_url=url, history_retention_days="0") as started:
        yield started


@pytest.fixture
def run(server: LiveServer, folder: Path) -> Callable[[str, int], str]:
    """Runs a command about one of the predictions, and returns what it prints."""

    def run_text(text: str, number: int) -> str:
        done = subprocess.run(
            ["bash", "-c", text.replace(SHOWN_AT, server.url)],
            cwd=folder,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "id": str(RECORDS[number].id)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    return run_text


def test_pages_have_the_shape_that_is_shown(run: Callable[[str, int], str]) -> None:
    """The first command answers what is shown below it, the others pages of the same shape."""
    text = section("## GET /predictions")
    shown = json.loads(blocks(text, "json")[0])
    first, *others = [one for one in commands(text) if "?" in one or "-G" in one]
    assert agree(shown, json.loads(run(first, 0)))
    assert len(others) == 2
    for one in others:
        assert len(json.loads(run(one, 0))["predictions"]) == 3


def test_labels_are_set_as_shown(run: Callable[[str, int], str]) -> None:
    """Both bodies set the label that is shown, and the last command takes it back."""
    text = section("### Labels")
    by_name, by_id, taken = commands(text)
    shown = json.loads(blocks(text, "json")[0])
    for command, source in ((by_name, "person"), (by_id, "system")):
        found = json.loads(run(command, 1))["label"]
        assert agree(shown, found)
        assert (found["class_name"], found["class_id"], found["source"]) == ("zebra", 340, source)
    assert json.loads(run(taken, 1))["label"] is None


def test_exports_are_written_as_shown(run: Callable[[str, int], str], folder: Path) -> None:
    """Both files get the names that are told, and their columns are those that are listed."""
    pytest.importorskip("pyarrow")
    text = section("### Export")
    for command in commands(text):
        run(command, 0)
    head, *rows = (folder / "predictions.csv").read_text().splitlines()
    assert (head.split(","), rows) == ([one.name for one in COLUMNS], [])
    assert (folder / "predictions.parquet").read_bytes().startswith(b"PAR1")
    listed = {one for one in COLUMNS if f"`{one.name}`" in text}
    assert {one.name for one in COLUMNS if one not in listed} == {
        f"{name}_{place}" for name in ("class_id", "class", "confidence") for place in range(2, 6)
    }


def test_one_is_told_and_deleted_as_shown(run: Callable[[str, int], str]) -> None:
    """By the id in `$id`."""
    text = section("## GET /predictions")
    sets_id, found, deleted = [one for one in commands(text) if "id" in one][-3:]
    assert sets_id == f"id={SHOWN_ID}"
    assert json.loads(run(found, 2))["id"] == str(RECORDS[2].id)
    assert run(deleted, 2) == ""
    assert json.loads(run(found, 2) or "{}")["code"] == "not_found"
