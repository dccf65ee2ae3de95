"""`topfive reload`."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import click

from topfive.errors import OperatorError

_PROCESSES = Path("/proc")


@click.command(short_help="Replace all workers of a running service.")
@click.argument("pid", type=click.IntRange(1), required=False)
def reload(pid: int | None) -> None:
    """Replace all workers of a running service, one generation by the next.

    New workers load the newest bundle; the old ones go when the new ones can serve, and no request
    is lost. PID is the parent process of `topfive serve`; where just one runs, it is found.
    Settings are read at the start only: a changed setting needs a restart.

    \b
    Examples:
      topfive reload
      docker exec topfive topfive reload
      topfive reload 4711
    """
    chosen = _only_server() if pid is None else pid
    try:
        os.kill(chosen, signal.SIGHUP)
    except ProcessLookupError as error:
        raise OperatorError(f"There is no process {chosen}.") from error
    except PermissionError as error:
        raise OperatorError(f"Process {chosen} belongs to another user.") from error
    click.echo(f"Process {chosen} starts new workers; the log says when they serve.")


def _only_server() -> int:
    servers = find_servers(_PROCESSES)
    if not servers:
        raise OperatorError("No running `topfive serve` is found here. Give its process id.")
    if len(servers) > 1:
        found = ", ".join(map(str, servers))
        raise OperatorError(f"Several services run here: give one of the process ids {found}.")
    return servers[0]


def find_servers(processes: Path) -> list[int]:
    """List the parent processes of running `topfive serve`, from a /proc directory."""
    pids = [int(one.name) for one in processes.glob("[0-9]*")]
    serving = {pid for pid in pids if _is_serving(processes / str(pid))}
    return sorted(pid for pid in serving if _parent(processes / str(pid)) not in serving)


def _is_serving(folder: Path) -> bool:
    try:
        arguments = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    names = [Path(one).name for one in arguments[:-1]]
    return any(pair == ("topfive", "serve") for pair in pairwise(names))


def _parent(folder: Path) -> int:
    try:
        # The name, in brackets, may hold anything; the parent is the second field after it.
        return int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
