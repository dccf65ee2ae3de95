"""Who is in the cluster while it works, and whether its head is there."""

import socket
import time
from typing import Any

from topfive.bulk.cluster.capacity import Wanted, read_capacity
from topfive.errors import BulkRefused, BulkStopped

CONNECT_TIMEOUT_S = 5.0
_LOOK_AGAIN_S = 0.5


class Cluster:
    """Ray as it is now, and how much of it this run uses."""

    def __init__(self, ray: Any, wanted: Wanted, wait_s: float) -> None:
        self.needs_gpu = wanted.needs_gpu
        self.wait_s = wait_s
        self._wanted = wanted
        self._ray = ray
        self._head = head_address(ray)

    def room(self) -> int:
        """Tell how many actors there is room for now, and no more than are wanted."""
        room = read_capacity(self._ray.nodes()).room(needs_gpu=self.needs_gpu)
        return room if self._wanted.actors is None else min(room, self._wanted.actors)

    def nodes(self) -> int:
        """Tell how many nodes there are now."""
        return len(read_capacity(self._ray.nodes()).cpus)

    def wait_for_start(self) -> None:
        """Wait until there is room for what is wanted; raises BulkRefused that says what is not."""
        if not self._wait(self._wanted):
            raise BulkRefused(
                f"The cluster has {self._describe()}. Needed: {self._wanted.describe()}. No more "
                f"came within {self.wait_s:g} s. Start more nodes, give a smaller number after "
                "--actors, or a longer time after --wait-s."
            )

    def require_head(self) -> None:
        """Raise BulkStopped if nobody listens where Ray keeps its state.

        Ray itself would look for it for a while, and then end this process without a word.
        """
        if not answers(self._head):
            raise BulkStopped(
                f"Ray's head at {self._head[0]}:{self._head[1]} has gone. What is finished is "
                "kept; go on with --resume."
            )

    def wait_for_any(self) -> None:
        """Wait until there is room for one actor; raises BulkStopped if there is none."""
        if not self._wait(Wanted(None, self.needs_gpu)):
            raise BulkStopped(
                f"All nodes that could work have gone: the cluster has {self._describe()}. What "
                "is finished is kept; go on with --resume."
            )

    def _wait(self, wanted: Wanted) -> bool:
        give_up_s = time.monotonic() + self.wait_s
        while not wanted.fits(read_capacity(self._ray.nodes())):
            if time.monotonic() >= give_up_s:
                return False
            time.sleep(_LOOK_AGAIN_S)
        return True

    def _describe(self) -> str:
        return read_capacity(self._ray.nodes()).describe()


def head_address(ray: Any) -> tuple[str, int]:
    """Tell where Ray keeps its state: a host and a port."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return host, int(port)


def answers(address: tuple[str, int]) -> bool:
    """Tell whether somebody listens at an address."""
    try:
        socket.create_connection(address, CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
