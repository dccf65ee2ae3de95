"""Tries to start the server where it must not start, and runs commands, as a person would."""

import subprocess
import sys
from pathlib import Path

from tests.live_server import server_environment


def run_topfive(
    folder: Path, *arguments: str, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run the installed command in a folder, with only the settings given, until it ends."""
    given = {f"TOPFIVE_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [str(Path(sys.executable).with_name("topfive")), *arguments],
        cwd=folder,
        env=server_environment(given) | {"COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused_start(folder: Path, **settings: str) -> str:
    """Start a server that must refuse to: exit code 2; returns what the user reads."""
    done = run_topfive(folder, "serve", **settings)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "listening" not in done.stdout
    assert done.stderr.count("Error: ") == 1
    return done.stderr
