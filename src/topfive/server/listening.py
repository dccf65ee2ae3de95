"""What is set on listening sockets: how much the kernel takes for a client that does not read.

And how they are closed without resetting connections that are already queued.
"""

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Any

# A connection that is half open when new ones are refused becomes whole within this time, unless
# its network is slow indeed.
HANDSHAKE_S = 0.2

# Linux counts twice of it, since it needs as much for itself. Left alone it would grow to 4 MB for
# every client that asks for much and reads nothing, in memory that counts as the container's.
SEND_BUFFER_BYTES = 128 * 1024

_SO_ATTACH_FILTER = 26
# A classic BPF program, which sees the packet from its TCP header on: what carries the flag SYN
# (0x02 in byte 13) is dropped, everything else passes. From linux/bpf_common.h: code, jt, jf, k.
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),
        (0x45, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


def keep_send_buffers_small(listener: Any) -> None:
    """Bound what the kernel holds of answers for each connection that is accepted here."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def refuse_new_connections(listener: Any) -> None:
    """Let no further connection begin here, in any process; those begun can still be accepted.

    The kernel resets what is queued when a listening socket closes, so its queue must be empty by
    then. A client that is refused asks again by itself, a second later, and is refused.
    Where the kernel knows no such filters nothing changes.
    """
    instructions = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    program = struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(instructions))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
