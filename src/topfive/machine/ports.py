"""Tells whether a port is free, and who has it."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# The state LISTEN in /proc/net/tcp; from linux/include/net/tcp_states.h.
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port: its id and its command, as far as this user may see it."""

    pid: int
    command: str


def port_problem(host: str, port: int) -> str | None:
    """Say why nothing can listen on `port` of `host` now; None where that is possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "in use" if in_use else str(error.strerror or error).lower()
    return None


def next_free_port(host: str, port: int) -> int:
    """Find the first free port above `port`; 0, which takes any, if none is."""
    return next((one for one in range(port + 1, 65536) if port_problem(host, one) is None), 0)


def find_holder(port: int, proc: Path = _PROC) -> Holder | None:
    """Find the first process that listens on `port`.

    None if none does, or if it belongs to another user.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    processes = sorted(proc.glob("[0-9]*"), key=lambda folder: int(folder.name))
    for folder in processes if sockets else ():
        if sockets & set(_open_files(folder)):
            return Holder(int(folder.name), _command(folder))
    return None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    """List the inodes of sockets that listen on `port`, of IPv4 and IPv6."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            yield str(link.readlink())
    except OSError:
        # It belongs to another user, or has ended meanwhile.
        return


def _command(process: Path) -> str:
    """Name a process by its program and, of an interpreter, by what that runs."""
    try:
        arguments = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "unknown"
    return " ".join(Path(one).name for one in arguments[:3] if one) or "unknown"
