"""What a bulk run answers, held against what the API answers to the same bytes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pictures
from tests.bulk.command import read_rows, run_bulk
from tests.bulk.exactness import api_answer, bulk_answer, digest
from tests.live_server import LiveServer, run_server

MOST_BYTES = 10 * 1024 * 1024
REGRESSIONS = Path(__file__).parent.parent / "hostile/regressions"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make pictures of all kinds, good and bad, and take real photos where there are some."""
    folder = tmp_path_factory.mktemp("kinds")
    made = pictures.every_format() | {
        "turned": pictures.rotated_jpeg(6),
        "four colours": pictures.cmyk_jpeg(),
        "one pixel": pictures.png(1, 1),
        "very wide": pictures.png(3000, 2),
        "too many pixels": pictures.forged_png(100_000, 100_000),
        "too wide": pictures.forged_jpeg(65_000, 1),
        "cut": pictures.jpeg(400, 300)[:-900],
        "cut early": pictures.jpeg(400, 300)[:40],
        "nothing": b"",
        "words": b"no picture at all",
        "too many bytes": pictures.jpeg().ljust(MOST_BYTES + 1, b"\0"),
        "as many bytes as may be": pictures.jpeg().ljust(MOST_BYTES, b"\0"),
    }
    for name, data in made.items():
        (folder / f"{name}.jpg").write_bytes(data)
    photos = Path(os.environ.get("TOPFIVE_TEST_PHOTOS", "/nowhere")).glob("*.JPEG")
    for one in [*sorted(REGRESSIONS.glob("*.bin")), *sorted(photos)]:
        (folder / f"{one.stem}.jpg").write_bytes(one.read_bytes())
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of the same model."""
    with run_server(tmp_path_factory.mktemp("server"), model="digits") as server:
        yield server


def test_each_answer_is_the_apis(folder: Path, server: LiveServer, tmp_path: Path) -> None:
    """Classes, names, confidences, and codes of failures with their sentences: the same digest."""
    done = run_bulk(folder, "--out", tmp_path / "results", "--shard-pictures", "16")
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "results")
    names = sorted(map(os.fsencode, folder.iterdir()))
    assert [os.fsencode(row["path"]) for row in rows] == names
    told = [api_answer(server.upload(Path(row["path"]).read_bytes()).json) for row in rows]
    found = [bulk_answer(row) for row in rows]
    assert dict(zip(names, found, strict=True)) == dict(zip(names, told, strict=True))
    assert digest(found) == digest(told)
