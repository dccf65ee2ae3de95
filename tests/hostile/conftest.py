"""The server that all hostile data is sent to, and where that data lies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server

HOSTILE = Path(__file__).parents[2].parent / "shared" / "hostile"


@pytest.fixture(scope="session")
def hostile() -> Path:
    """The folder of hostile files beside the repository."""
    if not HOSTILE.is_dir():
        pytest.skip("There is no folder of hostile files beside this repository.")
    return HOSTILE


@pytest.fixture(scope="package")
def target(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with two workers, as it would stand in the open."""
    with run_server(
        tmp_path_factory.mktemp("target"), model=str(tiny_folder), workers="2"
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def workers_live_on(target: LiveServer) -> Iterator[None]:
    """Fail a test in which a worker was replaced, or something unforeseen happened in one."""
    before = target.worker_pids()
    yield
    assert target.worker_pids() == before
    assert not target.events("unforeseen_error")
    assert not target.events("worker_stuck")
