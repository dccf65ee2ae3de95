"""Every hostile picture there is: answered, whatever it is called, and forgotten."""

import http.client
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live_server import LiveServer, form
from topfive.errors import FAILURES

HANG_S = 20
# Two workers that were measured to grow by less than a tenth of it.
MOST_GROWTH_BYTES = 100_000_000
WRONG_TYPES = ("text/plain", "image/png", "application/octet-stream", "image/x-icon")


@dataclass(frozen=True)
class Posted:
    """How one file was answered; `code` is empty where it was classified."""

    file: str
    status: int
    code: str
    seconds: float


def post_all(target: LiveServer, files: list[Path], root: Path, is_disguised: bool) -> list[Posted]:
    """Post files over two kept connections, under their own names or wrong ones."""
    halves = files[::2], files[1::2]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda half: list(post_some(target, half, root, is_disguised)), halves)
        return [one for half in found for one in half]


def post_some(
    target: LiveServer, files: list[Path], root: Path, is_disguised: bool
) -> Iterable[Posted]:
    """Post files one after another over one connection."""
    connection = target.connect(HANG_S)
    try:
        for number, file in enumerate(files):
            if is_disguised:
                kind = WRONG_TYPES[number % len(WRONG_TYPES)]
                body, content_type = form(file.read_bytes(), filename=f"file{number}.exe")
                body = body.replace(
                    b"Content-Type: image/jpeg", f"Content-Type: {kind}".encode(), 1
                )
            else:
                body, content_type = form(file.read_bytes(), filename=file.name)
            yield post(connection, body, content_type, str(file.relative_to(root)))
    finally:
        connection.close()


def post(
    connection: http.client.HTTPConnection, body: bytes, content_type: str, name: str
) -> Posted:
    """Post one body and read its answer."""
    began = time.monotonic()
    connection.request("POST", "/predict", body, {"Content-Type": content_type})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return Posted(name, response.status, answer.get("code", ""), time.monotonic() - began)


def memory_bytes(pids: Iterable[int]) -> int:
    """Add up what processes hold in memory."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024
    return total


@pytest.fixture(scope="module")
def files(hostile: Path) -> list[Path]:
    """All hostile pictures, in a fixed order."""
    return sorted(path for path in (hostile / "images").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def posted(target: LiveServer, hostile: Path, files: list[Path]) -> list[Posted]:
    """How every file was answered under its own name."""
    return post_all(target, files, hostile / "images", is_disguised=False)


def test_every_file_is_answered(files: list[Path], posted: list[Posted]) -> None:
    """Each file is classified or refused with a code that a picture can be refused with."""
    refusals = {"empty_file", "unsupported_format", "invalid_image", "image_too_large"}
    assert refusals <= FAILURES.keys()
    assert len(posted) == len(files) > 1000
    for one in posted:
        if one.code:
            assert one.code in refusals, one
            assert one.status == FAILURES[one.code].status, one
        else:
            assert one.status == 200, one
    assert {one.code for one in posted} >= {"", "unsupported_format", "invalid_image"}


def test_name_and_type_change_nothing(
    target: LiveServer, hostile: Path, files: list[Path], posted: list[Posted]
) -> None:
    """Under a wrong name and type every second file gets the answer that it got before."""
    expected = {one.file: (one.status, one.code) for one in posted}
    again = post_all(target, files[::2], hostile / "images", is_disguised=True)
    differing = [one for one in again if expected[one.file] != (one.status, one.code)]
    assert not differing


def test_memory_comes_back(
    target: LiveServer, hostile: Path, files: list[Path], posted: list[Posted]
) -> None:
    """Workers that have seen every file do not grow when half of them come again."""
    before = memory_bytes(target.worker_pids())
    post_all(target, files[::2], hostile / "images", is_disguised=False)
    assert memory_bytes(target.worker_pids()) - before < MOST_GROWTH_BYTES
