"""The `topfive` command, and the same as `python -m topfive`."""

import signal
import sys

_MISSING = """\
Error: the package {package} is missing. topfive is installed without its extra `serve`, which the
command needs; the client in Python, `topfive.client`, does not. Install it where it comes from:
  pip install 'topfive[serve] @ git+URL'"""


def main() -> None:
    """Run the command line, or say what to install where only the client was installed.

    SIGTERM ends a command as Ctrl-C does: what it has begun to write is deleted, and exit code 1.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit("Aborted!")


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
