"""What a cache keeps its entries in."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether an entry was kept, and how many others have made room for it."""

    is_kept: bool
    evicted: int = 0


class Store(Protocol):
    """Bytes under keys of 32 bytes, which processes share; what is used least makes room.

    Every method raises one of `failures` where the store cannot be used now.
    """

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its methods raise."""
        ...

    @property
    def poll_s(self) -> float:
        """The seconds after which to look again for what another process works on."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Return an entry; None where there is none."""
        ...

    def put(self, key: bytes, entry: bytes) -> Kept:
        """Keep an entry, where there is room for it."""
        ...

    def drop(self, key: bytes) -> None:
        """Forget an entry."""
        ...

    def claim(self, key: bytes) -> bool:
        """Become the one process that works on an entry; False where another one is.

        A claim ends with its process, or soon after.
        """
        ...

    def release(self, key: bytes) -> None:
        """Give up a claim."""
        ...

    def used_bytes(self) -> int:
        """Tell how much of this machine's memory the entries take."""
        ...

    def close(self) -> None:
        """Give back what this process holds of the store; entries stay."""
        ...
