"""The page's code for curl, Python and JavaScript does what it says, typed in as it stands."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg

KEY = "a key with spaces"


@pytest.fixture(scope="module")
def guarded(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that asks for a key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    folder = tmp_path_factory.mktemp("guarded")
    with run_server(folder, model=str(tiny_folder), api_keys=digest) as running:
        yield running


@pytest.fixture(params=["open", "guarded"])
def either(request: pytest.FixtureRequest, server: LiveServer, guarded: LiveServer) -> LiveServer:
    """A service that asks for no key, and one that does."""
    return server if request.param == "open" else guarded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the picture that the snippets name."""
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    return tmp_path


def test_the_curl_command_prints_the_answer(either: LiveServer, folder: Path) -> None:
    """Pasted into a shell it prints the JSON with five classes."""
    if shutil.which("curl") is None:
        pytest.skip("Install curl to run this.")
    printed = _run(["sh", "-c", _snippet(either, "curl")], folder)
    assert printed.count('"class_name"') == 5


def test_the_python_code_prints_the_classes(either: LiveServer, folder: Path) -> None:
    """With the standard library alone it prints five lines, best first."""
    printed = _run([sys.executable, "-I", "-S", "-c", _snippet(either, "python")], folder)
    _assert_five_lines(either, printed)


def test_the_javascript_code_prints_the_classes(either: LiveServer, folder: Path) -> None:
    """With Node.js alone it prints the same lines."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Install Node.js to run this.")
    (folder / "classify.mjs").write_text(_snippet(either, "javascript"))
    _assert_five_lines(either, _run([node, "classify.mjs"], folder))


def _snippet(server: LiveServer, name: str) -> str:
    page = server.get("/", Accept="text/html").body.decode()
    found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def _run(command: list[str], folder: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "KEY": KEY}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _assert_five_lines(server: LiveServer, printed: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    expected = server.upload(jpeg(), headers=headers).json["predictions"]
    lines = [f"{one['confidence'] * 100:.1f}%  {one['class_name']}" for one in expected]
    assert printed.splitlines() == lines
