"""Keeps what C libraries print about callers' pictures out of the log."""

import os
import sys


def mute_native_errors() -> None:
    """Move Python's standard error away from descriptor 2, and open /dev/null there.

    libtiff and others print what they find in a picture straight to descriptor 2.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
