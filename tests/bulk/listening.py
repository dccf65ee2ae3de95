"""At which addresses processes listen."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LISTENS = "0A"


def listening_addresses(pids: set[int]) -> set[str]:
    """Tell at which addresses these processes listen; IPv4 written as IPv6 is told as IPv4."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    lines = [line for name in ("tcp", "tcp6") for line in _lines(Path("/proc/net", name))]
    return {
        _show(fields[1].partition(":")[0])
        for fields in lines
        if fields[3] == _LISTENS and fields[9] in inodes
    }


def descendants(pid: int) -> set[int]:
    """Find the processes that one has started, and those that they have started."""
    found: set[int] = set()
    for child in _children(pid):
        found |= {child} | descendants(child)
    return found


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for thread in Path("/proc", str(pid), "task").iterdir():
            found |= {int(one) for one in (thread / "children").read_text().split()}
    return found


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):
        for one in Path("/proc", str(pid), "fd").iterdir():
            with suppress(OSError):
                found.add(str(one.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def _lines(table: Path) -> list[list[str]]:
    return [line.split() for line in table.read_text().splitlines()[1:]]


def _show(address: str) -> str:
    """Read an address as Linux writes it: words of 32 bits, each with its last byte first."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    if len(words) == 1:
        return str(IPv4Address(words[0]))
    long = IPv6Address(b"".join(words))
    return str(long.ipv4_mapped or long)
