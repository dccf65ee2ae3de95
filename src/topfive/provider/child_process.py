"""Runs a command whose messages are wanted, and whose progress a person may watch meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from typing import IO

_READ_BYTES = 4096


def run_child(command: list[str], *, shows_progress: bool) -> subprocess.CompletedProcess[str]:
    """Run `command` and keep what it writes to both outputs.

    With `shows_progress` what it writes to standard error is shown on ours too, if that is a
    terminal: a log that is collected from standard error never gets a progress bar. Its last
    message is not shown, because the caller logs it.
    """
    is_shown = shows_progress and sys.stderr.isatty()
    with subprocess.Popen(  # noqa: S603 - our own program, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None  # noqa: S101 - for mypy
        assert child.stderr is not None  # noqa: S101 - for mypy
        # What goes to standard output is one short line, which a pipe holds until it is read.
        messages = b"".join(_read(child.stderr, is_shown))
        output = child.stdout.read()
    return subprocess.CompletedProcess(
        command, child.returncode, output.decode("utf-8", "replace"),
        messages.decode("utf-8", "replace"),
    )  # fmt: skip


def _read(pipe: IO[bytes], is_shown: bool) -> Iterator[bytes]:
    while piece := pipe.read1(_READ_BYTES):  # type: ignore[attr-defined] # a BufferedReader
        if is_shown and b"Error: " not in piece:
            sys.stderr.buffer.write(piece)
            sys.stderr.flush()
        yield piece
