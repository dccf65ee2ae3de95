"""A read-only root and a full /tmp change nothing: uploads are held in memory."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.functional.wire import chunked
from tests.live_server import LiveServer, run_server
from tests.pictures import draw, encode

# Runs in a mount namespace of its own, so that nothing of it is seen outside.
SEAL = """
set -e
mount -t tmpfs -o size=1m none /tmp
head -c 2m /dev/zero > /tmp/full 2> /dev/null || true
mount -o remount,bind,ro /
exec "$@"
"""
SEALED = ["unshare", "--mount", "sh", "-c", SEAL, "sh"]
SERVER = f"""
import os, sys

os.chdir("/")
command = [*{SEALED!r}, sys.executable, "-B", "-m", "topfive", "serve"]
os.execvp(command[0], command)
"""


def can_seal() -> bool:
    """Tell whether this process may mount in a namespace of its own."""
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*SEALED, "true"], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that can write to no disk, whose /tmp is full."""
    if Path(sys.executable).is_relative_to("/tmp"):
        pytest.skip("This checkout lies in /tmp, which the seal hides.")
    if not can_seal():
        pytest.skip("Mounting in a namespace of its own is not permitted here.")
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sealed")
        with run_sealed(folder, patch, rate_limit="1000/minute") as server:
            yield server


@contextmanager
def run_sealed(folder: Path, patch: pytest.MonkeyPatch, **settings: str) -> Iterator[LiveServer]:
    """Run one worker that can write to no disk, whose /tmp is full, until the block ends."""
    (folder / "sealed.py").write_text(SERVER)
    # Coverage could not write what it measured.
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        patch.delenv(name, raising=False)
    # The embedded model: a bundle under /tmp would be out of sight.
    with run_server(folder, module="sealed", model="digits", workers="1", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A picture of nine megabytes."""
    data = encode(draw(2000, 1500), "BMP")
    assert 8_900_000 < len(data) < 10 * 1024**2
    return data


def root_of(server: LiveServer) -> Path:
    """The root directory as the server sees it."""
    return Path(f"/proc/{server.process.pid}/root")


def test_nothing_can_be_written(sealed: LiveServer) -> None:
    """The server under test really has a read-only root and no room in /tmp."""
    assert os.statvfs(root_of(sealed)).f_flag & os.ST_RDONLY
    assert os.statvfs(root_of(sealed) / "tmp").f_bavail == 0


def test_form_of_nine_megabytes_is_classified(sealed: LiveServer, picture: bytes) -> None:
    """A large upload in a form is classified, its quota counted, and no file comes of it."""
    answer = sealed.upload(picture)
    assert answer.status == 200
    assert int(answer.headers["RateLimit-Remaining"]) < 1000
    assert [path.name for path in (root_of(sealed) / "tmp").iterdir()] == ["full"]


def test_chunked_nine_megabytes_are_classified(sealed: LiveServer, picture: bytes) -> None:
    """A large upload that does not tell its length is classified too."""
    connection = sealed.connect()
    try:
        headers = {"Content-Type": "image/bmp", "Transfer-Encoding": "chunked"}
        connection.request("POST", "/predict", chunked(picture), headers)
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_too_large_upload_is_refused(sealed: LiveServer, picture: bytes) -> None:
    """What is over the limit is told 413, as on any machine, and others are served after it."""
    refused = sealed.upload(picture + bytes(2 * 1024**2))
    assert (refused.status, refused.code) == (413, "file_too_large")
    assert sealed.get("/readyz").status == 200
    assert not sealed.events("unforeseen_error")


def test_orders_are_followed_without_a_disk(sealed: LiveServer) -> None:
    """What is ordered is kept in memory, for as long as the server runs."""
    answer = sealed.request("POST", "/models/digits/versions/1/load?wait_s=60")
    assert (answer.status, answer.json["settled"]) == (202, True)
    assert answer.json["generation"] > 0


def test_an_order_that_finds_no_room_changes_nothing(
    sealed: LiveServer, picture: bytes, tmp_path: Path
) -> None:
    """It is refused with a reason, and all goes on serving."""
    with (
        pytest.MonkeyPatch.context() as patch,
        run_sealed(tmp_path, patch, models_dir="/tmp") as server,
    ):
        answer = server.request("POST", "/models/digits/versions/1/load?wait_s=60")
        assert (answer.status, answer.code) == (503, "model_unavailable")
        assert "nothing has changed" in answer.json["detail"]
        assert server.upload(picture).status == 200
        assert server.get("/models").json["generation"] == 0
        (told,) = server.events("state_unavailable")
        assert "No space left on device" in told["reason"]
