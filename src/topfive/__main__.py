"""The `topfive` command, and the same as `python -m topfive`."""

import io
import os
import signal
import sys
from contextlib import suppress

_MISSING = """\
Error: the package {package} is missing. topfive is installed without its extra `serve`, which the
command needs; the client in Python, `topfive.client`, does not. Install it where it comes from:
  pip install 'topfive[serve] @ git+URL'"""


def main() -> None:
    """Run the command line, or say what to install where only the client was installed.

    SIGTERM ends a command as Ctrl-C does: what it has begun to write is deleted, and exit code 1.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in letters that the terminal lacks is no reason to fail after hours of work.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    except OSError as error:
        _leave_output()
        sys.exit(f"Error: {error.filename or 'What was to be printed'}: {error.strerror}.")


def _leave_output() -> None:
    """Have the interpreter's end not try again what standard output cannot take."""
    with suppress(OSError, AttributeError):
        # There is none where it was closed.
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run() -> None:
    try:
        from topfive.cli import main as run_commands  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "topfive":
            raise
        sys.exit(_MISSING.format(package=package))
    run_commands()


if __name__ == "__main__":
    main()
