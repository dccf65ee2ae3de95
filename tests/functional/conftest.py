"""The server that most of these tests talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server


@pytest.fixture(scope="package")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with two workers, the tiny model and no rate limit."""
    folder = tmp_path_factory.mktemp("server")
    with run_server(folder, model=str(tiny_folder), workers="2") as running:
        yield running


@pytest.fixture(scope="module")
def alone(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with one worker, so that every connection of a test meets the same one."""
    folder = tmp_path_factory.mktemp("alone")
    with run_server(folder, model=str(tiny_folder), workers="1") as running:
        yield running
