"""A command's messages are kept, and its progress is shown at a terminal alone."""

import os
import pty
import subprocess
import sys

CHILD = """
import sys
sys.stderr.write("50%\\r"); sys.stderr.flush()
print("the folder")
sys.stderr.write("100%\\n"); sys.stderr.flush()
"""
PARENT = f"""
import sys
from topfive.provider.child_process import run_child
done = run_child([sys.executable, "-c", {CHILD!r}], shows_progress=sys.argv[1] == "shown")
print((done.returncode, done.stdout, done.stderr))
"""
KEPT = repr((0, "the folder\n", "50%\r100%\n"))


def _run(how, stderr):
    command = [sys.executable, "-c", PARENT, how]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True)


def test_what_a_command_writes_is_kept():
    """Both outputs come back whole, and nothing of them goes past the log into a pipe."""
    done = _run("shown", subprocess.PIPE)
    assert (done.stdout.strip(), done.stderr) == (KEPT, "")


def test_progress_is_shown_at_a_terminal():
    """Where standard error is a terminal, the progress is on it as it comes."""
    ours, theirs = pty.openpty()
    try:
        done = _run("shown", theirs)
        assert done.stdout.strip() == KEPT
        assert b"50%\r100%" in os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(theirs)
