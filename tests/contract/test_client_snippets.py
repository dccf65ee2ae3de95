"""The programs in docs/API.md for Python and Node.js run as they stand, and print what is shown."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.test_api_doc import SHOWN_AT, TEXT, blocks
from tests.live_server import LiveServer
from tests.pictures import jpeg


def whole_section(title: str) -> str:
    """Take what stands below a heading of the second level, with those below it."""
    after = TEXT[TEXT.index(f"\n{title}\n") + 1 :]
    return re.split(r"^## ", after[3:], maxsplit=1, flags=re.MULTILINE)[0]


CLIENT = whole_section("## Python client")
PYTHON, SHOWN = blocks(CLIENT, "python"), blocks(CLIENT, "")
NODE = [block for block in blocks(TEXT, "js") if '"node:' in block]


@pytest.fixture
def run(tmp_path: Path, server: LiveServer) -> Callable[..., str]:
    """Runs a program beside the pictures that it names, against the live service."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / "stripes.jpg").write_bytes(jpeg(seed=1))

    def run_program(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program


def shape(text: str) -> list[str]:
    """Take away what depends on the model: its classes' names, and digits."""
    plain = re.sub(r"class \d|zebra|skunk", "CLASS", text)
    return re.sub(r" {2,}", " ", re.sub(r"\d", "0", plain)).splitlines()


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_clients_programs_print_what_is_shown(
    run: Callable[..., str], server: LiveServer, number: int
) -> None:
    """Each runs with warnings as errors, and prints what stands below it."""
    program = PYTHON[number].replace(SHOWN_AT, server.url)
    printed = run(sys.executable, "-W", "error", "-c", program)
    assert shape(printed) == shape(SHOWN[number])


def test_every_program_has_what_it_prints() -> None:
    """None stands there that is not run."""
    assert len(PYTHON) == len(SHOWN) > 3
    assert len(NODE) == 2


@pytest.mark.parametrize("number", range(len(NODE)))
def test_programs_for_node_print_the_best_class(
    run: Callable[..., str], tmp_path: Path, server: LiveServer, number: int
) -> None:
    """As a file of their own, with Node.js alone."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Install Node.js (Debian: nodejs) to run this.")
    (tmp_path / "classify.mjs").write_text(NODE[number].replace(SHOWN_AT, server.url))
    printed = run(node, "classify.mjs").splitlines()
    assert [line for line in printed if re.fullmatch(r"class \d", line)]
    assert [line for line in printed if not line.startswith("class ")] in (
        [],
        ["unsupported_format"],
    )


def test_the_browsers_program_names_no_other_elements() -> None:
    """It is run in a browser by tests/browser/test_snippets.py, with an input `input`."""
    browser = [block for block in blocks(TEXT, "js") if block not in NODE]
    assert browser
    assert all("input.files" in block for block in browser)
